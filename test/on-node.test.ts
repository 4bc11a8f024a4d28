import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { engineUws } from "./support/engine-uws.ts";
import { SECRET, token } from "./support/node.ts";
import { RawPeer } from "./support/peer.ts";
import { buildForUws, type UwsBuild } from "./support/uws-build.ts";

/** What `bun run build:node` makes, as a process of Node. */
describe.skipIf(engineUws.nodePath === null)(`the node on Node${engineUws.skipReason}`, () => {
  let built: UwsBuild;
  const children: Bun.Subprocess[] = [];
  beforeAll(async () => {
    built = await buildForUws();
  });
  afterAll(async () => {
    for (const child of children) {
      child.kill("SIGKILL");
      await child.exited;
    }
    rmSync(built.folder, { recursive: true });
  });

  function start(env: Readonly<Record<string, string>>) {
    const own = { NODE_ENV: "test", HOST: "127.0.0.1", PORT: "0", JWT_SECRET: SECRET };
    const child = Bun.spawn([engineUws.nodePath ?? "node", built.main], {
      env: { ...own, AUDIT_FILE: join(built.folder, "audit.log"), ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    children.push(child);
    return child;
  }

  /** Its output up to the end of the start line. */
  async function startLine(output: ReadableStream<Uint8Array>): Promise<string> {
    let said = "";
    for await (const chunk of output) {
      said += Buffer.from(chunk).toString();
      if (said.includes("\n")) return said;
    }
    return said;
  }

  test("starts, names its engine, serves, reads a settings file, and ends with 0", async () => {
    const settings = join(built.folder, "tautline.toml");
    await Bun.write(settings, 'max_topics_per_connection = 1\nallowed_origins = ["https://app.example"]\n');
    const child = start({ ...engineUws.env, ACCOUNTS: "off", TAUTLINE_CONFIG: settings });
    const line = await startLine(child.stdout);
    expect(line).toContain("engine uWebSockets.js on Node 20.");
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
    using peer = await RawPeer.open(port, { path: `/ws?token=${token()}` });
    await peer.jsonOfType("connected");
    for (const roomSlug of ["a", "b"]) peer.send({ type: "join_room", roomSlug });
    await peer.jsonOfType("room_joined");
    expect(await peer.jsonOfType("error")).toMatchObject({ code: "TOPIC_LIMIT" });
    child.kill("SIGTERM");
    expect((await peer.closed()).code).toBe(1012);
    expect(await child.exited).toBe(0);
  });

  test("has no accounts, whatever ACCOUNTS says, and says so", async () => {
    const child = start({ ...engineUws.env, ACCOUNTS: "on" });
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(await startLine(child.stdout))?.[1]);
    for (const route of ["login", "register"]) {
      const { status } = await fetch(`http://127.0.0.1:${port}/api/${route}`, { method: "POST", body: "{}" });
      expect(status).toBe(404);
    }
    child.kill("SIGTERM");
    expect(await child.stderr.text()).toContain("warning: ACCOUNTS is off");
  });

  test("says what to install when uWebSockets.js is not there, and ends with 1", async () => {
    const child = start({});
    expect(await child.stderr.text()).toContain("npm install uNetworking/uWebSockets.js#v20");
    expect(await child.exited).toBe(1);
  });
});
