import { describe, expect, test } from "bun:test";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import { claims, NOW_S, signed } from "../auth/tokens.ts";
import { HeldAuthorizer } from "../support/authorizer.ts";
import { HubRig } from "../support/hub.ts";

/** What happens on a live connection when its token, or one that it has shown besides, is replaced or ends. */

const NOW_MS = NOW_S * 1_000;
const CONVERSATION = "conversation:1";

function subscribed(rig: HubRig, fields: Partial<Principal>, ...topics: readonly string[]) {
  const joined = rig.connect("ada", undefined, fields);
  for (const topic of topics) rig.receive(joined.connection, { type: "subscribe", topic });
  expect(joined.socket.take().map(({ type }) => type)).toEqual(topics.map(() => "subscribed"));
  return joined;
}

describe("a refresh", () => {
  const RICH: Partial<Principal> = {
    roles: ["admin"],
    topics: new Map([["conversation:*", ["read", "write"]]]),
    follows: ["x", "y"],
  };

  test("keeps, loses and gains topics of every kind, and says which", () => {
    const rig = new HubRig();
    const topics = [
      "room:r",
      CONVERSATION,
      "conversation:2",
      "wallet:ada",
      "system:status",
      "system:load",
      "followers:z",
    ];
    const { connection, socket } = subscribed(rig, RICH, ...topics);
    const token = signed(
      claims({ sub: "ada", role: "user", topics: { [CONVERSATION]: ["read"] }, follows: ["y", "w"] }),
    );
    rig.receive(connection, { type: "refresh", id: 7, token });
    const frames = socket.take();
    const lost = ["followers:x", "conversation:2", "system:load"];
    expect(frames.slice(0, -1)).toMatchObject(
      lost.map((topic) => ({ type: "unsubscribed", topic, code: "FORBIDDEN", reason: "FORBIDDEN" })),
    );
    expect(frames.at(-1)).toMatchObject({
      type: "auth_refreshed",
      id: 7,
      expiresAt: NOW_MS + 600_000,
      kept: ["user:ada", "followers:y", "room:r", CONVERSATION, "wallet:ada", "system:status", "followers:z"],
      lost,
      gained: ["followers:w"],
    });
    const rooms = connection.rooms.map(({ topic }) => topic);
    expect(rooms).toEqual([
      ...["followers:y", "room:r", CONVERSATION, "wallet:ada", "system:status", "followers:z", "followers:w"],
    ]);
  });

  test("by auth is answered with the whole greeting instead, and loses the same topics", () => {
    const rig = new HubRig();
    const { connection, socket } = subscribed(rig, RICH, "room:r", CONVERSATION);
    rig.receive(connection, { type: "auth", token: signed(claims({ sub: "ada" })) });
    expect(socket.take()).toMatchObject([
      { type: "unsubscribed", topic: "followers:x" },
      { type: "unsubscribed", topic: "followers:y" },
      { type: "unsubscribed", topic: CONVERSATION },
      { type: "auth_success", user: { roles: ["user"] }, topics: [{ topic: "user:ada" }] },
    ]);
  });

  test("asks the authorizer about each topic that is not automatic, and answers when all answers are there", async () => {
    const authorizer = new HeldAuthorizer();
    const access = compileAccess({ ...DEFAULT_ACCESS, hasAuthorizer: true });
    const rig = new HubRig({}, undefined, {}, { access, authorizer });
    const { connection, socket } = rig.connect("ada", undefined, { follows: ["x"] });
    for (const topic of ["doc:1", "doc:2"]) {
      rig.receive(connection, { type: "subscribe", topic });
      authorizer.answerAll(() => true);
      await rig.settle();
    }
    socket.take();
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "ada", follows: ["x", "y"] })) });
    rig.receive(connection, { type: "ping" });
    expect(authorizer.open.map(({ topic }) => topic)).toEqual(["doc:1", "doc:2"]);
    const [first, second] = authorizer.open.splice(0);
    second?.answer(true);
    await rig.settle();
    expect(socket.take()).toEqual([]);
    first?.answer(false);
    await rig.settle();
    expect(socket.take()).toMatchObject([
      { type: "unsubscribed", topic: "doc:1", code: "FORBIDDEN" },
      { type: "auth_refreshed", kept: ["user:ada", "followers:x", "doc:2"], lost: ["doc:1"], gained: ["followers:y"] },
      { type: "pong" },
    ]);
  });

  test("whose authorizer fails loses the topics, since nobody allows them", async () => {
    const authorizer = new HeldAuthorizer();
    const access = compileAccess({ ...DEFAULT_ACCESS, hasAuthorizer: true });
    const rig = new HubRig({}, undefined, {}, { access, authorizer });
    const { connection, socket } = rig.connect("ada");
    rig.receive(connection, { type: "subscribe", topic: "doc:1" });
    authorizer.answerAll(() => true);
    await rig.settle();
    socket.take();
    authorizer.check = () => Promise.reject(new Error("away"));
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "ada" })) });
    await rig.settle();
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: "doc:1" }, { lost: ["doc:1"] }]);
  });

  test("with another user's token changes nothing", () => {
    const rig = new HubRig();
    const { connection, socket } = subscribed(rig, RICH, CONVERSATION);
    const before = connection.principal;
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "bob" })) });
    expect(socket.take()).toMatchObject([{ type: "error", code: "FORBIDDEN" }]);
    expect(connection.principal).toBe(before);
  });
});

describe("the end of a token", () => {
  const ends = { expiresAtMs: NOW_MS + 60_000 };

  test("is announced once, 30 seconds before, and closes 4001 within the clock tolerance and a second", () => {
    const rig = new HubRig();
    const { socket } = rig.connect("ada", undefined, ends);
    rig.tick(29);
    expect(socket.take()).toEqual([]);
    rig.tick();
    expect(socket.take()).toEqual([{ type: "auth_expiring", expiresAt: ends.expiresAtMs, timestamp: NOW_MS + 30_000 }]);
    rig.tick(34);
    expect([socket.take(), socket.closed]).toEqual([[], null]);
    rig.tick();
    expect(socket.closed).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
  });

  test("is announced again for the next token", () => {
    const rig = new HubRig();
    const { connection, socket } = rig.connect("ada", undefined, ends);
    rig.tick(40);
    socket.take();
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "ada", exp: NOW_S + 80 })) });
    expect(socket.take()).toMatchObject([{ type: "auth_refreshed", expiresAt: NOW_MS + 80_000 }]);
    rig.tick(11);
    expect(socket.take()).toMatchObject([{ type: "auth_expiring", expiresAt: NOW_MS + 80_000 }]);
    rig.tick(33);
    expect(socket.closed).toBeNull();
    rig.tick();
    expect(socket.closed?.code).toBe(4001);
  });

  test("closes nothing when it is thousands of years away", () => {
    const rig = new HubRig({ pingIntervalMs: 60_000_000, pongTimeoutMs: 6_000_000_000 });
    const far = Date.UTC(9999, 11, 31);
    const { socket } = rig.connect("ada", undefined, { expiresAtMs: far });
    rig.clock.advance(30 * 86_400_000);
    rig.hub.tick();
    expect([socket.take(), socket.closed]).toEqual([[], null]);
  });
});

describe("the end of a subscribe's token", () => {
  const second = (fields: Record<string, unknown> = {}) =>
    signed(claims({ sub: "ada", exp: NOW_S + 10, topics: { "conversation:*": ["read", "write"] }, ...fields }));

  function granted(rig: HubRig, fields: Partial<Principal> = {}) {
    const joined = rig.connect("ada", undefined, fields);
    rig.receive(joined.connection, { type: "subscribe", topic: CONVERSATION, token: second() });
    expect(joined.socket.take()).toMatchObject([{ type: "subscribed", topic: CONVERSATION }]);
    return joined;
  }

  test("leaves its topic with TOKEN_EXPIRED once the clock tolerance has passed, and tells the others", () => {
    const rig = new HubRig();
    const { connection, socket } = granted(rig);
    const bob = rig.connect("bob", undefined, { topics: new Map([[CONVERSATION, ["read"]]]) });
    rig.receive(bob.connection, { type: "subscribe", topic: CONVERSATION });
    bob.socket.take();
    socket.take();
    rig.tick(14);
    expect(socket.take()).toEqual([]);
    rig.tick();
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: CONVERSATION, code: "TOKEN_EXPIRED" }]);
    expect(bob.socket.take()).toMatchObject([{ type: "user_left", data: { userId: "ada" } }]);
    expect([connection.grants, connection.rooms]).toEqual([null, []]);
    rig.receive(connection, { type: "publish", topic: CONVERSATION, event: "note", data: 1 });
    expect(socket.take()).toMatchObject([{ type: "error", code: "FORBIDDEN" }]);
    expect(socket.closed).toBeNull();
  });

  test("leaves nothing where the connection's own token allows the topic", () => {
    const rig = new HubRig();
    const { connection, socket } = granted(rig, { topics: new Map([[CONVERSATION, ["read"]]]) });
    rig.tick(20);
    expect(socket.take()).toEqual([]);
    expect([connection.grants, connection.rooms.length]).toEqual([null, 1]);
  });

  test("is put off by subscribing again with a newer one", () => {
    const rig = new HubRig();
    const { connection, socket } = granted(rig);
    rig.receive(connection, { type: "subscribe", topic: CONVERSATION, token: second({ exp: NOW_S + 30 }) });
    socket.take();
    rig.tick(34);
    expect(socket.take()).toEqual([]);
    rig.tick();
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", code: "TOKEN_EXPIRED" }]);
  });

  test("is kept by a refresh and goes on from there, and a refresh without the role ends it", () => {
    const rig = new HubRig();
    const { connection, socket } = granted(rig);
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "ada" })) });
    expect(socket.take()).toMatchObject([{ kept: ["user:ada", CONVERSATION], lost: [] }]);
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "ada", role: "guest" })) });
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", code: "FORBIDDEN" }, { lost: [CONVERSATION] }]);
    expect(connection.grants).toBeNull();
  });

  test("of which a connection holds as many as topics is TOPIC_LIMIT for one more", () => {
    const rig = new HubRig({ maxTopicsPerConnection: 2 });
    const { connection, socket } = rig.connect("ada");
    for (const [id, topic] of ["conversation:1", "conversation:2", "conversation:3", "conversation:2"].entries()) {
      rig.receive(connection, { type: "subscribe", id, topic, token: second() });
    }
    expect(socket.take()).toMatchObject([
      { id: 0, type: "subscribed" },
      { id: 1, type: "subscribed" },
      { id: 2, type: "error", code: "TOPIC_LIMIT", limit: 2 },
      { id: 3, type: "subscribed" },
    ]);
    expect(connection.grants?.size).toBe(2);
    rig.receive(connection, { type: "unsubscribe", topic: "conversation:2" });
    rig.receive(connection, { type: "subscribe", topic: "conversation:3", token: second() });
    expect(socket.take()).toMatchObject([{ type: "unsubscribed" }, { type: "subscribed" }]);
  });
});
