import { afterAll, describe, expect, test } from "bun:test";
import type { User, WebSocketAuthOptions } from "../../src/index.ts";
import { AuthorizedApp } from "../support/authorized-app.ts";
import type { UpgradeRequest } from "../support/http.ts";
import { answer } from "../support/inbox.ts";
import { SECRET, token } from "../support/node.ts";

const apps: AuthorizedApp[] = [];
afterAll(() => Promise.all(apps.map((app) => app.stop())));

function started(
  options: WebSocketAuthOptions = { jwtSecret: SECRET },
  others?: (message: unknown) => object,
): AuthorizedApp {
  const app = new AuthorizedApp(options, others);
  apps.push(app);
  return app;
}

const JWT = token({ sub: "123", username: "ada" });

describe("authenticateConnection", () => {
  const SOURCES: readonly [source: string, request: UpgradeRequest, protocol: string | undefined][] = [
    ["the query", { path: `/realtime?token=${JWT}` }, undefined],
    ["the subprotocol", { path: "/realtime", headers: [["Sec-WebSocket-Protocol", `auth, ${JWT}`]] }, "auth"],
    ["the subprotocol, behind others", { headers: [["Sec-WebSocket-Protocol", `json, auth, ${JWT}`]] }, "auth"],
    ["a header", { headers: [["Authorization", `Bearer ${JWT}`]] }, undefined],
    [
      "the session cookie",
      {
        headers: [
          ["Cookie", `access_token=${JWT}`],
          ["Origin", "http://localhost"],
        ],
      },
      undefined,
    ],
  ];

  test.each(SOURCES)("takes the token by %s, and never repeats it", async (_source, request, protocol) => {
    const answered = await started().upgrade(request);
    expect([answered.status, answered.protocol]).toEqual([101, protocol]);
  });

  const REFUSED: readonly [what: string, request: UpgradeRequest, status: number, code: string][] = [
    ["no token", {}, 401, "AUTH_REQUIRED"],
    ["garbage", { path: "/?token=garbage" }, 401, "AUTH_FAILED"],
    ["an expired one", { path: `/?token=${token({ exp: 1_000 })}` }, 401, "TOKEN_EXPIRED"],
    ["an inactive user", { path: `/?token=${token({ isActive: false })}` }, 403, "FORBIDDEN"],
    ["two", { path: `/?token=${JWT}`, headers: [["Authorization", `Bearer ${JWT}`]] }, 400, "BAD_REQUEST"],
    ["a ticket", { path: "/?ticket=abc" }, 401, "AUTH_FAILED"],
    ["a cookie without Origin", { headers: [["Cookie", `access_token=${JWT}`]] }, 403, "ORIGIN_FORBIDDEN"],
    [
      "a cookie of another site",
      {
        headers: [
          ["Cookie", `access_token=${JWT}`],
          ["Origin", "https://evil.example"],
        ],
      },
      403,
      "ORIGIN_FORBIDDEN",
    ],
  ];

  test.each(REFUSED)("refuses %s by the status, with the error as the body", async (_what, request, status, code) => {
    expect(await started().upgrade(request)).toMatchObject({ status, body: { type: "error", code } });
  });

  test("limits handshakes and failed tokens by address", async () => {
    const few = started({ jwtSecret: SECRET, handshakesPerSecond: 1, handshakeBurst: 1 });
    await few.connect(JWT);
    expect(await few.upgrade({ path: `/?token=${JWT}` })).toMatchObject({
      status: 429,
      body: { code: "RATE_LIMITED" },
    });
    const guarded = started({ jwtSecret: SECRET, authFailuresPerMinute: 1 });
    await guarded.upgrade({ path: "/?token=garbage" });
    expect(await guarded.upgrade({ path: "/?token=other" })).toMatchObject({ status: 429 });
  });

  test("says the same when a framework asks twice about a request", async () => {
    const { auth } = started({ tokenValidator: (known) => (known === "once" ? { id: 1 } : null) });
    const request = new Request("http://localhost/realtime?token=once");
    expect([await auth.authenticateConnection({ request }), await auth.authenticateConnection({ request })]).toEqual([
      undefined,
      undefined,
    ]);
    expect(auth.userOf({ data: { request } })).toMatchObject({ id: 1 });
    expect(auth.userOf({ data: { request: new Request("http://localhost/realtime") } })).toBeNull();
  });

  test("takes the application's own tokens, and says what it failed at", async () => {
    const app = started({
      tokenValidator: async (known) => {
        if (known === "away") throw new Error("the database is away");
        return known === "mine" ? { id: 1 } : null;
      },
    });
    const status = async (known: string) => (await app.upgrade({ path: `/?token=${known}` })).status;
    expect([await status("mine"), await status("other"), await status("away")]).toEqual([101, 401, 503]);
  });
});

describe("authorizeMessage", () => {
  test("subscribes to what the rules allow, and to nothing else", async () => {
    const app = started();
    const peer = await app.connect(JWT);
    const subscribe = (topic: string) => answer(peer, { type: "subscribe", topic, id: topic });
    expect(await subscribe("user:123")).toEqual({
      type: "subscribed",
      id: "user:123",
      topic: "user:123",
      timestamp: expect.any(Number),
    });
    expect(await subscribe("user:124")).toEqual({
      type: "error",
      code: "FORBIDDEN",
      message: "Insufficient permissions for topic",
      id: "user:124",
      topic: "user:124",
      timestamp: expect.any(Number),
    });
    app.publish("user:124", { type: "private" });
    app.publish("user:123", { type: "notification" });
    expect(await peer.json()).toEqual({ type: "notification" });
    expect(await answer(peer, { type: "unsubscribe", topic: "user:123" })).toMatchObject({
      type: "unsubscribed",
      code: "OK",
    });
    app.publish("user:123", { type: "notification" });
    expect(await answer(peer, { type: "unsubscribe", topic: "user:123" })).toMatchObject({ type: "unsubscribed" });
  });

  test("takes a second token of the same user for the topic, and refuses every other", async () => {
    const peer = await started().connect(JWT);
    const subscribe = (jwt: string) => answer(peer, { type: "subscribe", topic: "conversation:7", token: jwt });
    const refused = { type: "error", code: "AUTH_FAILED", message: "Invalid authentication token" };
    expect(await subscribe("garbage")).toMatchObject(refused);
    expect(await subscribe(token({ sub: "124", topics: { "conversation:7": ["read"] } }))).toMatchObject(refused);
    expect(await subscribe(token({ sub: "123", exp: 1_000 }))).toMatchObject(refused);
    expect(await subscribe(JWT)).toMatchObject({ code: "FORBIDDEN" });
    expect(await subscribe(token({ sub: "123", topics: { "conversation:7": ["read"] } }))).toMatchObject({
      type: "subscribed",
    });
    expect(await answer(peer, { type: "publish", topic: "conversation:7", event: "x" })).toMatchObject({
      code: "FORBIDDEN",
    });
  });

  test("takes a second token as long as the first: until its end and the tolerance", async () => {
    const peer = await started().connect(JWT);
    const jwt = token({ sub: "123", exp: Math.floor(Date.now() / 1_000) - 1, topics: { "conversation:7": ["read"] } });
    expect(await answer(peer, { type: "subscribe", topic: "conversation:7", token: jwt })).toMatchObject({
      type: "subscribed",
    });
  });

  test("a second token grants nothing where the subscribe fails", async () => {
    const peer = await started({ jwtSecret: SECRET, maxTopicsPerConnection: 1 }).connect(JWT);
    await answer(peer, { type: "subscribe", topic: "room:lobby" });
    const jwt = token({ sub: "123", topics: { "conversation:7": ["read", "write"] } });
    expect(await answer(peer, { type: "subscribe", topic: "conversation:7", token: jwt })).toMatchObject({
      code: "TOPIC_LIMIT",
    });
    expect(await answer(peer, { type: "publish", topic: "conversation:7", event: "x" })).toMatchObject({
      code: "FORBIDDEN",
    });
  });

  test("publishes to the members of a room, the sender included, with who it was", async () => {
    const app = started();
    const [ada, bob] = [await app.connect(JWT), await app.connect(token({ sub: 7, username: "bob" }))];
    const publish = { type: "publish", roomSlug: "lobby", event: "move", data: { x: 1 }, messageId: "m1", id: 5 };
    expect(await answer(ada, publish)).toMatchObject({ code: "NOT_A_MEMBER", messageId: "m1", id: 5 });
    for (const peer of [ada, bob]) await answer(peer, { type: "subscribe", topic: "room:lobby" });
    const event = {
      type: "move",
      roomSlug: "lobby",
      data: { x: 1 },
      messageId: "m1",
      from: { userId: "123", username: "ada" },
      timestamp: expect.any(Number),
    };
    ada.send(publish);
    expect([await ada.json(), await ada.json()]).toEqual([
      event,
      { type: "published", roomSlug: "lobby", messageId: "m1", id: 5, timestamp: expect.any(Number) },
    ]);
    expect(await bob.json()).toEqual(event);
  });

  test.each([
    [{ type: "subscribe" }, "BAD_MESSAGE"],
    [{ type: "subscribe", topic: "lobby" }, "BAD_MESSAGE"],
    [{ type: "publish", topic: "room:a", event: "Upper" }, "BAD_MESSAGE"],
    [{ type: "publish", topic: "room:a", event: "subscribed" }, "BAD_MESSAGE"],
    [{ type: "publish", topic: "room:a", event: "x", data: JSON.parse('{"__proto__": 1}') }, "BAD_MESSAGE"],
    [{ type: "chat_message" }, "UNKNOWN_TYPE"],
    [{ topic: "room:a" }, "BAD_MESSAGE"],
    [[1], "BAD_MESSAGE"],
    [null, "BAD_MESSAGE"],
    ["text", "BAD_MESSAGE"],
  ])("answers %j with %s, and goes on", async (message, code) => {
    const peer = await started().connect(JWT);
    peer.text(JSON.stringify(message));
    expect(await peer.json()).toMatchObject({ type: "error", code });
    expect(await answer(peer, { type: "subscribe", topic: "room:a" })).toMatchObject({ type: "subscribed" });
  });

  test("bounds the data, the topics and the rate", async () => {
    const app = started({ jwtSecret: SECRET, maxTopicsPerConnection: 1, messagesPerSecond: 1, messageBurst: 16 });
    const peer = await app.connect(JWT);
    expect(await answer(peer, { type: "subscribe", topic: "room:a" })).toMatchObject({ type: "subscribed" });
    expect(await answer(peer, { type: "subscribe", topic: "room:b" })).toMatchObject({ code: "TOPIC_LIMIT", limit: 1 });
    const large = { type: "publish", topic: "room:a", event: "x", data: "x".repeat(16_384) };
    expect(await answer(peer, large)).toMatchObject({ code: "MESSAGE_TOO_LARGE", limit: 16_384, actual: 16_386 });
    for (let i = 0; i < 13; i++) await answer(peer, { type: "unsubscribe", topic: "room:b" });
    expect(await answer(peer, { type: "unsubscribe", topic: "room:b" })).toMatchObject({
      code: "RATE_LIMITED",
      retryAfterMs: expect.any(Number),
    });
  });

  test("keeps the order of messages while a checker is asked, and asks it once", async () => {
    const gate = Promise.withResolvers<void>();
    const asked: string[] = [];
    const app = started({
      jwtSecret: SECRET,
      async permissionChecker(_user, topic, action) {
        asked.push(`${action} ${topic}`);
        await gate.promise;
        return topic === "team:a";
      },
    });
    const peer = await app.connect(JWT);
    const publish = { type: "publish", topic: "team:a", event: "x" };
    peer.sendAll([{ type: "subscribe", topic: "team:a" }, publish, publish, { type: "unsubscribe", topic: "team:a" }]);
    gate.resolve();
    const types: unknown[] = [];
    for (let i = 0; i < 6; i++) types.push((await peer.json())["type"]);
    expect(types).toEqual(["subscribed", "x", "published", "x", "published", "unsubscribed"]);
    expect(asked).toEqual(["read team:a", "write team:a"]);
    expect(await answer(peer, { type: "subscribe", topic: "team:b" })).toMatchObject({ code: "FORBIDDEN" });
  });

  test("denies when the checker fails", async () => {
    const app = started({ jwtSecret: SECRET, permissionChecker: async () => Promise.reject(new Error("broken")) });
    const peer = await app.connect(JWT);
    expect(await answer(peer, { type: "subscribe", topic: "team:a" })).toMatchObject({ code: "FORBIDDEN" });
  });

  test("ends a connection that nobody has authenticated", async () => {
    const { auth } = started();
    const sent: unknown[] = [];
    const stranger = {
      data: { request: new Request("http://localhost/") },
      readyState: 1,
      send: (text: string) => sent.push(JSON.parse(text)),
      close: (code?: number) => sent.push(code),
      ...{ subscribe: fail, unsubscribe: fail, publish: fail, isSubscribed: () => false },
    };
    await auth.authorizeMessage(stranger, { type: "subscribe", topic: "room:a" });
    expect(sent).toMatchObject([{ type: "error", code: "AUTH_REQUIRED" }, 4001]);
  });

  test("ends a subscribed connection when its token does", async () => {
    const app = started({ clockToleranceS: 0, tokenValidator: () => ({ id: 1, expiresAt: Date.now() + 200 }) });
    const peer = await app.connect("any");
    await answer(peer, { type: "subscribe", topic: "room:a" });
    expect(await peer.closed()).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
  });
});

describe("handleMessage", () => {
  test("leaves other messages to the application", async () => {
    const app = started({ jwtSecret: SECRET }, (message) => ({ type: "echo", message }));
    const peer = await app.connect(JWT);
    expect(await answer(peer, { type: "move", x: 1 })).toEqual({ type: "echo", message: { type: "move", x: 1 } });
    expect(await answer(peer, { type: "subscribe", topic: "room:a" })).toMatchObject({ type: "subscribed" });
    expect(await answer(peer, { type: "subscribe", topic: "user:1" })).toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("checkTopicPermission", () => {
  test("answers the line of the document for the user of a connection", async () => {
    const { auth: wsAuth } = started();
    const request = new Request(`http://localhost/?token=${JWT}`);
    await wsAuth.authenticateConnection({ request });
    const user = wsAuth.userOf({ data: { request } }) as User;
    expect(await wsAuth.checkTopicPermission(user, "user:123", "read")).toBe(true);
    expect(await wsAuth.checkTopicPermission(user, "user:124", "read")).toBe(false);
    expect(await wsAuth.checkTopicPermission(user, "room:lobby", "write")).toBe(true);
    expect(await wsAuth.checkTopicPermission(user, "lobby", "read")).toBe(false);
  });
});

function fail(): never {
  throw new Error("nothing of this should be done");
}
