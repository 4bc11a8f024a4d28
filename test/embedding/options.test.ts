import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, createServer, createWebSocketAuth } from "../../src/index.ts";
import { EmbeddedServers } from "../support/embedded.ts";
import { SECRET, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

const servers = new EmbeddedServers();
afterAll(() => servers.stop());

/** The names that a start complains about, sorted. */
function problems(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ name }) => name).toSorted();
    throw error;
  }
  return [];
}

const nobody = (): null => null;
const NAMESPACE = { read: "any", write: "server", presence: "none", history: "none" };

/** As JavaScript would give them, past the types. */
function given(options: object): object {
  return options;
}

describe("the options", () => {
  test("are all checked before anything starts, and named as they were given", () => {
    const options = { jwtSecret: "short", messagesPerSecond: 0, pingIntervalMs: 90_000, allowedOrigins: ["*"] };
    const wrong = ["allowedOrigins", "jwtSecret", "messagesPerSecond", "pongTimeoutMs"];
    expect(problems(() => createServer(options))).toEqual(wrong);
  });

  test("say nothing of a value, and name other settings as options too", () => {
    const secret = "canary-0123456789-0123456789-0123456789";
    const start = () => createServer({ jwtSecret: secret, jwtPublicKey: secret });
    expect(start).toThrow("jwtPublicKey");
    expect(start).not.toThrow(secret);
    expect(() => createServer({})).toThrow(
      "jwtSecret is missing: in production it, jwtPublicKey or jwksUrl is required",
    );
  });

  test.each([
    [{ jwtSecret: SECRET, port: 9000 }, ["port"]],
    [{ jwtSecret: SECRET, maxConnectionPerUser: 5 }, ["maxConnectionPerUser"]],
    [{ jwtSecret: SECRET, tautlineConfig: "/etc/x" }, ["tautlineConfig"]],
    [{ jwtSecret: SECRET, JWT_SECRET: SECRET }, ["JWT_SECRET"]],
    [{ jwtSecret: SECRET, onConnect: "hello" }, ["onConnect"]],
    [{ jwtSecret: SECRET, nodeId: "" }, ["nodeId"]],
    [{ tokenValidator: nobody, jwtSecret: SECRET }, ["jwtSecret"]],
    [{ tokenValidator: nobody, jwtAudience: "us", accounts: "on" }, ["accounts", "jwtAudience"]],
    [{ jwtSecret: SECRET, namespaces: { Game: NAMESPACE } }, ["namespaces.Game"]],
    [
      {
        jwtSecret: SECRET,
        namespaces: { game: { read: "any", write: "everyone", presence: "none", history: "none" } },
      },
      ["namespaces.game.write"],
    ],
    [{ jwtSecret: SECRET, namespaces: { game: { ...NAMESPACE, read: "members" } } }, ["namespaces.game.read"]],
    [{ jwtSecret: SECRET, namespaces: { user: { ...NAMESPACE, presence: "members" } } }, ["namespaces.user.presence"]],
    [{ jwtSecret: SECRET, publicTopics: ["nowhere:news"] }, ["publicTopics"]],
    [{ jwtSecret: SECRET, permissions: { "game.play": "user" } }, ["permissions.game.play"]],
    [{ jwtSecret: SECRET, publicTopics: ["news"] }, ["publicTopics"]],
  ])("%# with a mistake are refused by its name", (options, names) => {
    expect(problems(() => Reflect.apply(createServer, undefined, [given(options)]))).toEqual(names);
  });

  test("that only a server of its own has are refused for the checks alone", () => {
    const options = given({ jwtSecret: SECRET, maxMessageBytes: 1_000, historySize: 5 });
    const wrong = ["historySize", "maxMessageBytes"];
    expect(problems(() => Reflect.apply(createWebSocketAuth, undefined, [options]))).toEqual(wrong);
    expect(problems(() => createWebSocketAuth({}))).toEqual(["jwtSecret"]);
  });

  test("that turn out wrong only at the start are named the same way", async () => {
    const placeholder = "your-secret-key-at-least-32-characters";
    const starting = createServer({ jwtSecret: placeholder, logLevel: "silent" }).listen(0);
    expect(
      await starting.catch((error: unknown) =>
        problems(() => {
          throw error;
        }),
      ),
    ).toEqual(["jwtSecret"]);
  });

  test("are all there is: the environment of the process is not read", async () => {
    const before = { ...process.env };
    Object.assign(process.env, { MAX_CONNECTIONS_PER_USER: "1", TOKEN_IN_QUERY: "false", PORT: "1" });
    const server = await servers.start({ jwtSecret: SECRET });
    process.env = before;
    const jwt = token({ sub: "u1" });
    await server.connect(jwt);
    await server.connect(jwt);
  });

  test("are settings of the node", async () => {
    const server = await servers.start({
      jwtSecret: SECRET,
      maxConnectionsPerUser: 1,
      cookieName: "session",
      nodeId: "n7",
    });
    const { peer } = await server.upgrade({
      path: "/ws",
      headers: [
        ["Cookie", `session=${token({ sub: "u1" })}`],
        ["Origin", "http://localhost"],
      ],
    });
    expect(await peer.jsonOfType("connected")).toMatchObject({ nodeId: "n7" });
    expect(await server.upgrade({ path: `/ws?token=${token({ sub: "u1" })}` })).toMatchObject({
      status: 429,
      body: { code: "CONNECTION_LIMIT" },
    });
  });

  test("have the defaults of production: no login, and metrics only with their token", async () => {
    const server = await servers.start({ jwtSecret: SECRET });
    const login = await server.http("/api/login", { method: "POST" });
    expect([login.status, (await server.http("/metrics")).status]).toEqual([404, 404]);
  });
});

describe("access", () => {
  test("is that of the namespaces and permissions given, over the defaults", async () => {
    const server = await servers.start({
      jwtSecret: SECRET,
      namespaces: {
        game: { read: { permission: "game.play", and: "nothing" }, write: "server", presence: "none", history: "none" },
      },
      permissions: { "game.play": ["player"] },
    });
    const player = await server.connect(token({ sub: "u1", role: "player" }));
    const other = await server.connect(token({ sub: "u2" }));
    for (const peer of [player, other]) peer.send({ type: "subscribe", topic: "game:7" });
    expect(await player.json()).toMatchObject({ type: "subscribed", topic: "game:7" });
    expect(await other.json()).toMatchObject({ code: "FORBIDDEN" });
    other.send({ type: "join_room", roomSlug: "lobby" });
    expect(await other.json()).toMatchObject({ type: "room_joined" });
  });
});

describe("listening", () => {
  test("on a Unix socket", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tautline-"));
    const path = join(directory, "node.sock");
    const server = await createServer({ jwtSecret: SECRET, logLevel: "silent" }).listen({ unix: path });
    expect(server.address).toEqual({ url: `unix:${path}`, port: 0 });
    const peer = await RawPeer.connectUnix(path);
    await peer.upgrade({ path: `/ws?token=${token()}` });
    await peer.jsonOfType("connected");
    await server.stop({ graceMs: 0 });
    rmSync(directory, { recursive: true });
  });

  test("on an address and a port", async () => {
    const server = await createServer({ jwtSecret: SECRET, logLevel: "silent" }).listen({ host: "127.0.0.2", port: 0 });
    const { url, port } = server.address;
    expect(url).toBe(`http://127.0.0.2:${port}`);
    await server.stop({ graceMs: 0 });
  });

  test("where somebody listens already rejects, keeps nothing, and leaves the other alone", async () => {
    const first = await servers.start({ jwtSecret: SECRET });
    const second = createServer({ jwtSecret: SECRET, logLevel: "silent" }).listen(first.port);
    expect(await second.catch((error: unknown) => error)).toMatchObject({ message: expect.stringContaining("in use") });
    await first.connect(token());
  });

  test("happens once per builder", async () => {
    const builder = createServer({ jwtSecret: SECRET, logLevel: "silent" });
    const server = await builder.listen(0);
    expect(await builder.listen(0).catch((error: unknown) => error)).toBeInstanceOf(Error);
    await server.stop({ graceMs: 0 });
  });
});

describe("the log", () => {
  test("goes where it is told to, and says what is questionable about the options", async () => {
    const server = await servers.start({ jwtSecret: SECRET, forwardedHeader: "x-real-ip" });
    await server.connect(token());
    const log = await server.logAfterStop();
    expect(log.filter(({ level }) => level === "warn")).toMatchObject([
      { warning: expect.stringContaining("forwardedHeader has no effect without trustedProxies") },
    ]);
    expect(log.map(({ event }) => event)).toContain("connection.accepted");
  });

  test("is nothing at all when it is silent, audit records neither", async () => {
    const script = `
      const { createServer } = await import("./src/index.ts");
      const server = await createServer({ jwtSecret: "${SECRET}", logLevel: "silent" }).listen(0);
      await fetch(server.address.url + "/ws", { headers: { upgrade: "websocket" } });
      await server.stop({ graceMs: 0 });`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect([out, err, await child.exited]).toEqual(["", "", 0]);
  });

  test("is kept apart from the audit log where that has a file", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tautline-"));
    const auditFile = join(directory, "audit.log");
    const server = await createServer({ jwtSecret: SECRET, logLevel: "silent", auditFile }).listen(0);
    const peer = await RawPeer.open(server.address.port, { path: `/ws?token=${token()}` });
    await server.stop({ graceMs: 0 });
    peer.destroy();
    expect(readFileSync(auditFile, "utf8")).toContain('"event":"connection.accepted"');
    rmSync(directory, { recursive: true });
  });
});
