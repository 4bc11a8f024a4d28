import { afterAll, describe, expect, test } from "bun:test";
import { createServer, type PrincipalInput } from "../../src/index.ts";
import { EmbeddedServers } from "../support/embedded.ts";
import { answer, inbox } from "../support/inbox.ts";
import { SECRET, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

const servers = new EmbeddedServers();
afterAll(() => servers.stop());

const jwtSecret = SECRET;

describe("publish", () => {
  test("reaches the members of a topic without `from`, and resolves with the position", async () => {
    const rig = await started();
    const { server } = rig;
    const peer = await rig.connect(token());
    await answer(peer, { type: "join_room", roomSlug: "lobby" });
    const published = await server.publish("room:lobby", "score.changed", { home: 1 });
    expect(published).toEqual({ messageId: expect.stringMatching(/^srv_/), offset: 1, epoch: expect.any(String) });
    const { messageId, offset, epoch } = published;
    expect(await peer.json()).toEqual({
      type: "score.changed",
      timestamp: expect.any(Number),
      roomSlug: "lobby",
      data: { home: 1 },
      ...{ messageId, offset, epoch },
    });
  });

  test("delivers the same message id once, and refuses it with other content", async () => {
    const { server } = await started();
    const options = { messageId: "m1" };
    const first = await server.publish("room:a", "x", { n: 1 }, options);
    expect(await server.publish("room:a", "x", { n: 1 }, options)).toEqual(first);
    const other = server.publish("room:a", "x", { n: 2 }, options);
    expect(await other.catch((error: unknown) => error)).toMatchObject({ code: "MESSAGE_ID_REUSED" });
  });

  test("sends nothing as null", async () => {
    const rig = await started();
    const { server } = rig;
    const peer = await rig.connect(token({ sub: "u1" }));
    await server.sendToUser("u1", "x");
    expect(await peer.json()).toMatchObject({ type: "x", data: null });
  });

  test.each([
    ["lobby", "x"],
    ["Room:a", "x"],
    ["room:a", "Upper"],
    ["room:a", "new_message"],
  ])("of %p %p is a mistake of the program, and throws at once", async (topic, event) => {
    const { server } = await started();
    expect(() => server.publish(topic, event)).toThrow(TypeError);
  });

  test.each(["", "x".repeat(65), "\ud800", 5])(
    "under the message id %j is a mistake of the program, and throws at once",
    async (messageId) => {
      const { server } = await started();
      const options = { messageId: messageId as string };
      expect(() => server.publish("room:a", "x", 1, options)).toThrow(TypeError);
      expect(() => server.sendToUser("u1", "x", 1, options)).toThrow(TypeError);
      expect(() => server.broadcastToFollowers("u1", "x", 1, options)).toThrow(TypeError);
    },
  );

  test.each<[string, unknown]>([
    ["a lone surrogate", { text: "\ud800" }],
    ["a number that is not safe", [1e300]],
    ["more levels than a frame has", JSON.parse("[".repeat(32) + "]".repeat(32))],
    ["a key that is refused of clients too", JSON.parse('{"__proto__":1}')],
    ["a function", () => 1],
    ["a BigInt", 1n],
  ])("of %s reaches nobody and is rejected", async (_what, data) => {
    const rig = await started();
    const { server } = rig;
    const peer = await rig.connect(token({ sub: "u1" }));
    const calls = [
      server.publish("user:u1", "x", data),
      server.sendToUser("u1", "x", data),
      server.broadcastToFollowers("u1", "x", data),
    ];
    for (const call of calls) expect(await call.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    expect(await inbox(peer)).toEqual([]);
  });

  test("of what JSON says in another way arrives like that", async () => {
    const rig = await started();
    const peer = await rig.connect(token({ sub: "u1" }));
    await rig.server.sendToUser("u1", "x", { at: new Date(0), none: undefined, not: Number.NaN });
    expect(await peer.json()).toMatchObject({ data: { at: "1970-01-01T00:00:00.000Z", not: null } });
  });

  test("that fails later ends no process when nobody waits for it, and is in the log", async () => {
    const rig = await started();
    void rig.server.publish("room:a", "x", "x".repeat(20_000));
    const rejected = rig.server.publish("room:a", "x", 1n);
    expect(await rejected.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    const log = (await rig.logAfterStop()).filter(({ level }) => level === "warn");
    expect(log).toMatchObject([{ error: { code: "MESSAGE_TOO_LARGE" } }, { error: { name: "TypeError" } }]);
  });
});

describe("broadcastToFollowers", () => {
  const FOLLOWERS = [
    ["at once", () => ["f1", 2]],
    ["by a promise", async () => Promise.resolve(new Set(["f1", 2]))],
  ] as const;

  test.each(FOLLOWERS)("sends to those whom followersOf names %s, each connection once", async (_how, followersOf) => {
    const asked: unknown[] = [];
    const rig = await servers.start({
      jwtSecret,
      followersOf(userId) {
        asked.push(userId);
        return followersOf();
      },
    });
    const [first, second, other] = [
      await rig.connect(token({ sub: "f1", follows: [7] })),
      await rig.connect(token({ sub: 2 })),
      await rig.connect(token({ sub: "f3" })),
    ];
    await rig.server.broadcastToFollowers(7, "posted", { id: 1 });
    expect(asked).toEqual([7]);
    for (const peer of [first, second]) expect(await inbox(peer)).toMatchObject([{ type: "posted", data: { id: 1 } }]);
    expect(await inbox(other)).toEqual([]);
  });

  test("reaches thousands of followers, who are away, and lets others have their turn", async () => {
    const followers = Array.from({ length: 3_000 }, (_, index) => index + 1);
    const rig = await servers.start({ jwtSecret, followersOf: () => followers });
    const last = await rig.connect(token({ sub: 3_000 }));
    expect(await rig.server.broadcastToFollowers(7, "posted")).toMatchObject({ delivered: 1 });
    expect(await last.json()).toMatchObject({ type: "posted" });
  });

  test("rejects with what followersOf throws, and for ids that are none", async () => {
    const failing = await servers.start({
      jwtSecret,
      followersOf: () => {
        throw new Error("away");
      },
    });
    const failed = failing.server.broadcastToFollowers(7, "posted");
    expect(await failed.catch((error: unknown) => error)).toMatchObject({ message: "away" });
    const wrong = await servers.start({ jwtSecret, followersOf: () => ["a b"] });
    const refused = wrong.server.broadcastToFollowers(7, "posted");
    expect(await refused.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    expect(() => wrong.server.broadcastToFollowers("a b", "posted")).toThrow(TypeError);
  });
});

describe("checkTopicPermission", () => {
  const ADMIN: PrincipalInput = { id: "a", roles: ["admin"] };

  test.each<[PrincipalInput, string, "read" | "write" | "presence", boolean]>([
    [{ id: 123 }, "user:123", "read", true],
    [{ id: 123 }, "user:124", "read", false],
    [{ id: 123 }, "user:123", "write", false],
    [{ id: 123 }, "room:lobby", "read", true],
    [{ id: 123 }, "room:lobby", "write", false],
    [{ id: 123 }, "conversation:7", "read", false],
    [{ id: 123, topics: { "conversation:*": ["read"] } }, "conversation:7", "read", true],
    [ADMIN, "system:load", "read", true],
    [{ id: 123 }, "system:load", "read", false],
    [ADMIN, "no topic", "read", false],
    [ADMIN, "unknown:x", "read", false],
  ])("of %j for %p to %s is %p", async (user, topic, action, isPermitted) => {
    const { server } = await started();
    expect(await server.checkTopicPermission(user, topic, action)).toBe(isPermitted);
  });

  test("looks at the user's connections where only members may", async () => {
    const rig = await started();
    const { server } = rig;
    const peer = await rig.connect(token({ sub: 123 }));
    await answer(peer, { type: "join_room", roomSlug: "lobby" });
    expect(await server.checkTopicPermission({ id: 123 }, "room:lobby", "write")).toBe(true);
    expect(await server.checkTopicPermission({ id: 124 }, "room:lobby", "write")).toBe(false);
  });

  test("asks the checker of the application, whose failure denies", async () => {
    const { server } = await servers.start({
      jwtSecret,
      permissionChecker(user, topic) {
        if (topic === "team:broken") throw new Error("broken");
        return topic === `team:${user.id}`;
      },
    });
    const check = (topic: string) => server.checkTopicPermission({ id: 7 }, topic, "write");
    expect([await check("team:7"), await check("team:8"), await check("team:broken")]).toEqual([true, false, false]);
  });

  test("of what is no user rejects", async () => {
    const { server } = await started();
    const user = JSON.parse("{}");
    const failed = server.checkTopicPermission(user, "room:a", "read");
    expect(await failed.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
  });
});

test("two servers in one process share nothing", async () => {
  const secret = "Zx81-spectrum-QL-cpc464-c64-vic20-oric";
  const [one, two] = [await started(), await servers.start({ jwtSecret: secret, maxConnectionsPerUser: 1 })];
  const first = await one.connect(token({ sub: "u1" }));
  const second = await two.connect(token({ sub: "u1" }, secret));
  expect(await two.upgrade({ path: `/ws?token=${token({ sub: "u1" })}` })).toMatchObject({ status: 401 });
  for (const peer of [first, second]) await answer(peer, { type: "join_room", roomSlug: "lobby" });
  await one.server.publish("room:lobby", "x", 1);
  await two.server.publish("room:lobby", "y", 2);
  expect(await inbox(first)).toMatchObject([{ type: "x", offset: 1 }]);
  expect(await inbox(second)).toMatchObject([{ type: "y", offset: 1 }]);
  expect([one, two].map(({ server }) => server.getStats().totalConnections)).toEqual([1, 1]);
  await one.stop();
  expect(await answer(second, { type: "ping" })).toMatchObject({ type: "pong" });
});

describe("stop", () => {
  test("tells every connection, closes it with 1012, hears of its end, and stops listening", async () => {
    const codes: number[] = [];
    const server = await createServer({
      jwtSecret,
      logLevel: "silent",
      onDisconnect: (_connection, { code }) => codes.push(code),
    }).listen(0);
    const { port } = server.address;
    const peers = await Promise.all(
      [1, 2, 3].map((sub) => RawPeer.open(port, { path: `/ws?token=${token({ sub })}` })),
    );
    const stopping = server.stop({ graceMs: 50 });
    expect(server.stop()).toBe(stopping);
    for (const peer of peers) {
      await peer.jsonOfType("server_draining");
      const { code, reason } = await peer.closed();
      expect([code, Object.keys(JSON.parse(reason))]).toEqual([1012, ["retryAfterMs"]]);
    }
    await stopping;
    await server.stop();
    expect(codes).toEqual([1012, 1012, 1012]);
    expect(await RawPeer.connect(port).catch((error: unknown) => error)).toMatchObject({ code: "ECONNREFUSED" });
  });

  test("closes all at once with no grace, and needs nobody to answer", async () => {
    const server = await createServer({ jwtSecret, logLevel: "silent" }).listen(0);
    const path = `/ws?token=${token()}`;
    const peer = await RawPeer.open(server.address.port, { path }, { autoClose: false });
    await server.stop({ graceMs: 0 });
    await peer.ended();
    expect((await peer.closed()).code).toBe(1012);
  });

  test("is what `await using` does", async () => {
    let port = 0;
    {
      await using server = await createServer({ jwtSecret, logLevel: "silent", drainMs: 1 }).listen(0);
      port = server.address.port;
    }
    expect(await RawPeer.connect(port).catch((error: unknown) => error)).toMatchObject({ code: "ECONNREFUSED" });
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("refuses a grace of %p", async (graceMs) => {
    const { server } = await started();
    expect(() => server.stop({ graceMs })).toThrow(RangeError);
  });
});

test("signals are the application's: none is listened to", async () => {
  const count = (): number[] => ["SIGTERM", "SIGINT", "SIGHUP"].map((signal) => process.listenerCount(signal));
  const before = count();
  await started();
  expect(count()).toEqual(before);
});

function started(): ReturnType<typeof servers.start> {
  return servers.start({ jwtSecret });
}
