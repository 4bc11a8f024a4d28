import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SECRET, TestNode, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** The node as a process: what it says, how it ends, and with which status. */

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "tautline-"));
const processes: Bun.Subprocess[] = [];

afterEach(async () => {
  for (const child of processes.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function spawnNode(env: Record<string, string>) {
  const child = Bun.spawn([process.execPath, MAIN], {
    env: {
      NODE_ENV: "test",
      HOST: "127.0.0.1",
      PORT: "0",
      ACCOUNTS: "off",
      AUDIT_FILE: join(directory, "audit"),
      ...env,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  processes.push(child);
  return child;
}

/** The port of the start line. What comes behind it is read on: nobody should wait for its reader. */
function portOf(child: ReturnType<typeof spawnNode>): Promise<number> {
  const port = Promise.withResolvers<number>();
  const read = async (): Promise<void> => {
    let output = "";
    for await (const chunk of child.stdout) {
      output += Buffer.from(chunk).toString();
      const found = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
      if (found !== undefined) port.resolve(Number(found));
    }
    port.reject(new Error("the node ended before it listened"));
  };
  void read().catch(port.reject);
  return port.promise;
}

async function connected(port: number): Promise<RawPeer> {
  const peer = await RawPeer.open(port, { path: `/ws?token=${token()}` });
  await peer.jsonOfType("connected");
  return peer;
}

describe("the process", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "drains on %s, is not hurried by a second one, and exits 0",
    async (signal) => {
      const child = spawnNode({ JWT_SECRET: SECRET, DRAIN_MS: "400", DRAIN_DELAY_MS: "100" });
      const port = await portOf(child);
      const peers = [await connected(port), await connected(port)];
      child.kill(signal);
      await Promise.all(peers.map((peer) => peer.jsonOfType("server_draining")));
      child.kill(signal);
      const codes = await Promise.all(peers.map((peer) => peer.closed()));
      expect(codes.map(({ code }) => code)).toEqual([1012, 1012]);
      expect(await child.exited).toBe(0);
      for (const peer of peers) peer.destroy();
    },
  );

  test("says which port is in use and exits 1", async () => {
    const node = await TestNode.start();
    const child = spawnNode({ JWT_SECRET: SECRET, PORT: String(node.port) });
    expect(await child.exited).toBe(1);
    const said = await new Response(child.stderr).text();
    expect(said).toContain(String(node.port));
    expect(said).toContain("PORT");
    expect(said).not.toContain("    at ");
    await node.stop();
  });

  test("names the missing secret in production and exits 78", async () => {
    const child = spawnNode({ NODE_ENV: "production" });
    expect(await child.exited).toBe(78);
    expect(await new Response(child.stderr).text()).toContain("JWT_SECRET");
  });

  test("outside production makes a secret of its own, says so, and never what it is", async () => {
    const child = spawnNode({});
    const port = await portOf(child);
    const peer = await RawPeer.connect(port);
    expect((await peer.upgrade({ path: `/ws?token=${token()}` })).status).toBe(401);
    peer.destroy();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    const said = await new Response(child.stderr).text();
    expect(said).toContain("JWT_SECRET");
    expect(said).not.toMatch(/[A-Za-z0-9+/_-]{40,}/);
  });
});
