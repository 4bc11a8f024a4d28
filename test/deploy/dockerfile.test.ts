import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json";
import { Container, isolationSkipReason, runIn, startCommand } from "../support/container.ts";
import { parseDockerfile } from "../support/dockerfile.ts";
import { buildImage, filesOf, type Image, removeWriteBits } from "../support/image.ts";
import { SECRET, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** The image, built by the steps of the Dockerfile and started as a hardened container, without an engine. */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Packages are installed and processes started, on a machine that may be busy. */
const TIMEOUT_MS = 60_000;
/** HOST is the image's to set; a test listens on this machine alone. */
const SETTINGS = { JWT_SECRET: SECRET, HOST: "127.0.0.1", PORT: "0" };

let image: Image;
let files: readonly string[];
let container: Container | null = null;

beforeAll(async () => {
  image = await buildImage(ROOT);
  files = filesOf(image);
  removeWriteBits(image);
}, TIMEOUT_MS);

afterEach(async () => {
  await container?.kill();
  container = null;
}, TIMEOUT_MS);

afterAll(() => image.remove());

async function started(): Promise<{ container: Container; port: number }> {
  container = new Container(image, SETTINGS);
  return { container, port: await container.port };
}

describe("the image", () => {
  test("is made by the version of Bun that the package is for, by exact tags", () => {
    const bases = parseDockerfile(readFileSync(`${ROOT}Dockerfile`, "utf8")).map(({ base }) => base);
    const version = manifest.packageManager.replace("bun@", "");
    for (const base of bases) expect(base).toMatch(/^oven\/bun:\d+\.\d+\.\d+-[a-z]+$/);
    for (const base of bases) expect(base).toStartWith(`oven/bun:${version}-`);
    expect(bases.length).toBeGreaterThan(1);
  });

  test("runs as a numeric user who is not root, with its commands in exec form", () => {
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const forms = [image.entrypoint, image.command, image.healthcheck].map((command) => command?.form);
    expect(forms).toEqual(["exec", "exec", "exec"]);
    expect([image.stopSignal, image.ports]).toEqual(["SIGTERM", ["8080"]]);
    expect(image.env).toMatchObject({ NODE_ENV: "production", HOST: "0.0.0.0" });
  });

  test("has the source, the packages of production, and nothing else of the checkout", () => {
    expect(files).toContain("/app/src/main.ts");
    const tops = new Set(files.map((path) => path.split("/").slice(0, 3).join("/")));
    const own = ["LICENSE", "bunfig.toml", "node_modules", "package.json", "src", "tsconfig.json"];
    expect([...tops].toSorted()).toEqual(own.map((name) => `/app/${name}`));
    const ours = files.filter((path) => !path.startsWith("/app/node_modules/"));
    expect(ours.filter((path) => /\.(?:test\.ts|db|log|pem|key)$|\/\.|\/(?:test|bench|data)\//.test(path))).toEqual([]);
  });

  test("has every dependency of production and none of development", () => {
    const packages = new Set(
      files.map((path) => /^\/app\/node_modules\/((?:@[^/]+\/)?[^/]+)\/package\.json$/.exec(path)?.[1]),
    );
    expect(Object.keys(manifest.dependencies).filter((name) => !packages.has(name))).toEqual([]);
    const forDevelopment = Object.keys(manifest.devDependencies);
    expect(forDevelopment.length).toBeGreaterThan(0);
    expect(forDevelopment.filter((name) => packages.has(name))).toEqual([]);
  });
});

describe("a container of it", () => {
  test(
    "starts, is healthy and ready, and serves a client",
    async () => {
      const { port } = await started();
      for (const path of ["/health", "/ready"]) {
        expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(200);
      }
      const peer = await RawPeer.open(port, { path: `/ws?token=${token({ sub: "ada", username: "ada" })}` });
      await peer.jsonOfType("connected");
      peer.send({ type: "join_room", roomSlug: "r" });
      await peer.jsonOfType("room_joined");
      peer.send({ type: "chat_message", roomSlug: "r", message: "from a container" });
      expect(await peer.jsonOfType("new_message")).toMatchObject({ data: { message: "from a container" } });
      peer.destroy();
    },
    TIMEOUT_MS,
  );

  test(
    "is healthy for its own health check while it is up, and not when it is down",
    async () => {
      const { container: running, port } = await started();
      const { healthcheck } = image;
      if (healthcheck === null) throw new Error("no HEALTHCHECK");
      const settings = { ...SETTINGS, PORT: String(port) };
      expect(await runIn(image, healthcheck, settings)).toMatchObject({ status: 0, err: "" });
      running.signal("SIGTERM");
      await running.ended();
      expect(await runIn(image, healthcheck, settings)).toMatchObject({ status: 1, out: "" });
    },
    TIMEOUT_MS,
  );

  test(
    "ends with 0 on its stop signal, after a drain that its clients are told of, with the audit in its output",
    async () => {
      const { container: running, port } = await started();
      const peer = await RawPeer.open(port, { path: `/ws?token=${token()}` });
      await peer.jsonOfType("connected");
      running.signal("SIGTERM");
      expect((await peer.closed(TIMEOUT_MS)).code).toBe(1012);
      const { status, said } = await running.ended();
      expect(status).toBe(0);
      expect(said).toContain('"event":"connection.accepted"');
      expect(said).toContain('"audit":true');
      peer.destroy();
    },
    TIMEOUT_MS,
  );

  test(
    "without a secret ends with 78",
    async () => {
      const { HOST, PORT } = SETTINGS;
      const { status, err } = await runIn(image, startCommand(image), { HOST, PORT });
      expect(status).toBe(78);
      expect(err).toContain("JWT_SECRET");
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(isolationSkipReason !== "")(`a hardened container of it${isolationSkipReason}`, () => {
  test(
    "cannot write anywhere, and needs not to",
    async () => {
      const script = `for (const path of ["/x", "/app/x", "/app/src/x", "/tmp/x"]) {
        try { require("fs").writeFileSync(path, ""); console.log(path); } catch (error) { console.log(error.code); }
      }`;
      const { out } = await runIn(image, ["bun", "-e", script], {});
      expect(out.trim().split("\n")).toEqual(["EROFS", "EROFS", "EROFS", "ENOENT"]);
    },
    TIMEOUT_MS,
  );

  test(
    "is process 1, the image's user, without any capability, and can get none",
    async () => {
      const { container: running } = await started();
      const status = readFileSync(`/proc/${running.pid}/status`, "utf8");
      const field = (name: string): string[] =>
        (new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "").trim().split(/\s+/);
      const [user = "", group = ""] = image.user?.split(":") ?? [];
      expect(new Set(field("Uid"))).toEqual(new Set([user]));
      expect(new Set(field("Gid"))).toEqual(new Set([group]));
      expect(field("NSpid").at(-1)).toBe("1");
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
        expect(field(set)).toEqual(["0".repeat(16)]);
      expect(field("NoNewPrivs")).toEqual(["1"]);
    },
    TIMEOUT_MS,
  );
});
