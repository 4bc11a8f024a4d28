import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";

/** The endpoint `/`, where the first message says who the connection is. */

const FAST_TICKS = { PING_INTERVAL_MS: "200", PONG_TIMEOUT_MS: "60000" };

let node: TestNode;
let peer: RawPeer;

beforeEach(async () => {
  node = await TestNode.start();
  peer = await node.upgraded({ path: "/" });
});

afterEach(() => node.stop());

const auth = (claims: Record<string, unknown> = {}, id?: string) => ({ type: "auth", token: token(claims), id });

async function authenticated(claims: Record<string, unknown> = {}): Promise<RawPeer> {
  const known = await node.upgraded({ path: "/" });
  known.send(auth(claims));
  await known.jsonOfType("auth_success");
  return known;
}

/** The refusal frame and the close behind it. */
async function refusalOf(refused: RawPeer): Promise<{ frame: JsonObject; code: number; reason: string }> {
  const frame = await refused.json();
  expect(frame.type).toBe("auth_error");
  return { frame, ...(await refused.closed()) };
}

describe("an auth frame", () => {
  test("with a good token is answered with the fields of S3 and those of connected", async () => {
    peer.send(auth({ sub: 123, username: "johndoe", name: "John Doe" }, "a1"));
    const success = await peer.json();
    expect(success).toMatchObject({
      type: "auth_success",
      id: "a1",
      message: "Authentication successful",
      user: { id: 123, username: "johndoe", name: "John Doe", roles: ["user"] },
      protocol: 1,
      endpoint: "/",
      topics: [{ topic: "user:123", offset: 0 }],
      heartbeat: { intervalMs: 30_000, timeoutMs: 90_000 },
      limits: { maxMessageBytes: 65_536, maxTopics: 128, messagesPerSecond: 20 },
      nodeId: "node-1",
    });
    expect(success["timestamp"]).toBeInteger();
  });

  test.each([
    ["garbage", "a.b.c", "AUTH_FAILED", 4001],
    ["another secret's token", token({}, "x".repeat(40)), "AUTH_FAILED", 4001],
    ["an expired token", token({ exp: 1_000 }), "TOKEN_EXPIRED", 4001],
    ["an inactive user's token", token({ isActive: false }), "FORBIDDEN", 4003],
    ["an empty text", "", "AUTH_FAILED", 4001],
    ["a number", 1, "BAD_MESSAGE", 4001],
    ["a list with a good token", [token()], "BAD_MESSAGE", 4001],
    ["an object", { toString: "x" }, "BAD_MESSAGE", 4001],
    ["null", null, "BAD_MESSAGE", 4001],
    ["nothing", undefined, "BAD_MESSAGE", 4001],
  ])("with %s is answered auth_error and a close", async (_what, value, code, closeCode) => {
    peer.send({ type: "auth", token: value });
    const refusal = await refusalOf(peer);
    expect(refusal.frame).toEqual({
      type: "auth_error",
      code,
      message: "Authentication failed",
      timestamp: expect.any(Number),
    });
    expect([refusal.code, refusal.reason]).toEqual([closeCode, code]);
  });

  test("that is refused says to which frame, unless that frame's id is none", async () => {
    peer.send({ type: "auth", token: "a.b.c", id: "first" });
    expect((await refusalOf(peer)).frame).toMatchObject({ type: "auth_error", code: "AUTH_FAILED", id: "first" });
    for (const id of [1.5, "i".repeat(65), {}]) {
      const other = await node.upgraded({ path: "/" });
      other.send({ type: "auth", token: token(), id });
      const { frame, code } = await refusalOf(other);
      expect([frame["code"], frame["id"], code]).toEqual(["BAD_MESSAGE", undefined, 4001]);
    }
  });

  test("and the frames behind it in the same packet are handled in their order", async () => {
    const frames = [auth({ sub: "ada" }), { type: "join_room", roomSlug: "r" }, { type: "ping", id: 1 }];
    const bytes = frames.map((frame) => encodeFrame({ opcode: OPCODE.text, payload: JSON.stringify(frame) }));
    peer.writeRaw(Buffer.concat(bytes));
    const types = [(await peer.json())["type"], (await peer.json())["type"], (await peer.json())["type"]];
    expect(types).toEqual(["auth_success", "room_joined", "pong"]);
  });

  test("is not rescued by an earlier key of the same name: the last one counts", async () => {
    peer.text(`{"type":"auth","type":"ping","token":"${token()}"}`);
    expect(await peer.json()).toMatchObject({ type: "error", code: "AUTH_REQUIRED" });
    peer.text(`{"token":"x","type":"ping","type":"auth","token":"${token()}"}`);
    expect(await peer.json()).toMatchObject({ type: "auth_success" });
  });

  oneNode("limits")("over the user's connections is answered CONNECTION_LIMIT and 4008", async () => {
    for (let open = 0; open < 10; open += 1) await node.connect("ada");
    peer.send(auth({ sub: "ada" }));
    const { frame, code } = await refusalOf(peer);
    expect(frame).toMatchObject({ type: "auth_error", code: "CONNECTION_LIMIT", retryAfterMs: expect.any(Number) });
    expect(code).toBe(4008);
  });

  oneNode("limits")(
    "from an address that failed too often is answered RATE_LIMITED and 4029, with a delay in frame and reason",
    async () => {
      for (let failed = 0; failed < 20; failed += 1) {
        const bad = await node.upgraded({ path: "/" });
        bad.send({ type: "auth", token: `a.b.${failed}` });
        await bad.closed();
      }
      peer.send(auth());
      const { frame, code, reason } = await refusalOf(peer);
      expect(frame).toMatchObject({ type: "auth_error", code: "RATE_LIMITED" });
      expect(code).toBe(4029);
      expect(JSON.parse(reason)).toEqual({ retryAfterMs: frame["retryAfterMs"] });
      expect(frame["retryAfterMs"]).toBeGreaterThan(1_000);
    },
  );
});

describe("before authentication", () => {
  test("nothing is sent, and pings are answered", async () => {
    peer.ping("p");
    await peer.until("a pong", () => (peer.receivedPongs === 1 ? true : undefined));
    expect(peer.pendingMessages).toBe(0);
  });

  test("any other frame is answered Not authenticated, and the tenth ends the connection", async () => {
    const frames = ["null", "[]", "0", "", "  ", "{}", '{"type":["auth"]}', '{"type":"join_room","roomSlug":"x"}', "{"];
    for (const frame of frames) {
      peer.text(frame);
      expect(await peer.json()).toMatchObject({ type: "error", code: "AUTH_REQUIRED", message: "Not authenticated" });
    }
    peer.binary(Buffer.from([0xc0]));
    expect(await peer.json()).toMatchObject({ type: "error", code: "AUTH_REQUIRED" });
    expect((await peer.closed()).code).toBe(4001);
  });

  test("nine such frames leave it to authenticate", async () => {
    for (let sent = 0; sent < 9; sent += 1) peer.send({ type: "ping" });
    peer.send(auth());
    expect((await peer.jsonOfType("auth_success"))["type"]).toBe("auth_success");
  });

  test("a frame of 8 KiB is answered, one byte more closes 1009", async () => {
    peer.text(`"${"a".repeat(8_190)}"`);
    expect(await peer.json()).toMatchObject({ code: "AUTH_REQUIRED" });
    peer.text(`"${"a".repeat(8_191)}"`);
    expect((await peer.closed()).code).toBe(1009);
  });

  test("a frame over the limit of the node ends the connection", async () => {
    peer.text("a".repeat(1_000_000));
    expect([1009, 1006]).toContain((await peer.closed()).code);
  });

  test("the deadline ends it whatever was sent, pings and frames included", async () => {
    const own = await TestNode.start({ ...FAST_TICKS, AUTH_DEADLINE_MS: "200" });
    const busy = await own.upgraded({ path: "/" });
    const silent = await own.upgraded({ path: "/" });
    busy.send({ type: "ping" });
    while (!busy.isEnded) {
      const before = busy.receivedPongs;
      busy.ping();
      await busy.until("a pong or the end", () => (busy.receivedPongs > before || busy.isEnded ? true : undefined));
    }
    expect([(await busy.closed()).code, (await silent.closed()).code]).toEqual([4001, 4001]);
    const audit = await own.auditAfterStop();
    expect(audit).toContainEqual(expect.objectContaining({ event: "auth.failed", code: "AUTH_REQUIRED" }));
    await own.stop();
  });

  oneNode("limits")(
    "the 51st connection of an address is 429, and others find room as soon as one authenticates or leaves",
    async () => {
      const own = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1" });
      const attempt = async (address: string): Promise<[number, RawPeer]> => {
        const pending = await own.peer();
        const { status } = await pending.upgrade({ path: "/", headers: [["X-Forwarded-For", address]] });
        return [status, pending];
      };
      const [, first] = await attempt("203.0.113.1");
      const [, second] = await attempt("203.0.113.1");
      for (let open = 2; open < 50; open += 1) await attempt("203.0.113.1");
      expect((await attempt("203.0.113.1"))[0]).toBe(429);
      expect((await attempt("203.0.113.2"))[0]).toBe(101);
      first.send(auth());
      await first.jsonOfType("auth_success");
      expect((await attempt("203.0.113.1"))[0]).toBe(101);
      second.destroy();
      await own.metricIs("tautline_connections", (count) => count === 51);
      expect((await attempt("203.0.113.1"))[0]).toBe(101);
      await own.stop();
    },
  );

  oneNode("limits")("the node holds so many such connections and answers 503 to the next", async () => {
    const own = await TestNode.start({ MAX_PENDING_CONNECTIONS: "2" });
    for (let open = 0; open < 2; open += 1) await own.upgraded({ path: "/" });
    const refused = await (await own.peer()).upgrade({ path: "/" });
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, "OVERLOADED"]);
    expect((await own.connect("ada")).isEnded).toBe(false);
    await own.stop();
  });
});

describe("a token at the upgrade of /", () => {
  test("that is good is greeted at once", async () => {
    const known = await node.upgraded({ path: `/?token=${token({ sub: "ada" })}` });
    expect(await known.json()).toMatchObject({ type: "auth_success", user: { id: "ada" } });
  });

  test("that is bad is told by auth_error and 4001, also to a browser that sent it as a subprotocol", async () => {
    const refused = await node.peer();
    const response = await refused.upgrade({ path: "/", headers: [["Sec-WebSocket-Protocol", "auth, a.b.c"]] });
    expect([response.status, response.headers.get("sec-websocket-protocol")]).toEqual([101, ["auth"]]);
    const { frame, code, reason } = await refusalOf(refused);
    expect(frame).toMatchObject({ type: "auth_error", code: "AUTH_FAILED" });
    expect([code, reason]).toEqual([4001, "AUTH_FAILED"]);
  });

  test("of an inactive user is told by auth_error and 4003", async () => {
    const { frame, code } = await refusalOf(await node.upgraded({ path: `/?token=${token({ isActive: false })}` }));
    expect([frame["code"], code]).toEqual(["FORBIDDEN", 4003]);
  });

  oneNode("limits")("over the user's connections is told by auth_error and 4008", async () => {
    for (let open = 0; open < 10; open += 1) await node.connect("ada");
    const { frame, code } = await refusalOf(await node.upgraded({ path: `/?token=${token({ sub: "ada" })}` }));
    expect([frame["code"], code]).toEqual(["CONNECTION_LIMIT", 4008]);
  });

  test("is not looked for in the cookie", async () => {
    const pending = await node.upgraded({ path: "/", headers: [["Cookie", `access_token=${token()}`]] });
    pending.send({ type: "ping" });
    expect(await pending.json()).toMatchObject({ code: "AUTH_REQUIRED" });
  });

  oneNode("limits")("from an address that failed too often is 429 before any upgrade", async () => {
    for (let failed = 0; failed < 20; failed += 1) await node.upgraded({ path: `/?token=a.b.${failed}` });
    const response = await (await node.peer()).upgrade({ path: `/?token=${token()}` });
    expect([response.status, JSON.parse(response.body).code]).toEqual([429, "RATE_LIMITED"]);
  });

  test("that comes twice is 400 before any upgrade", async () => {
    const response = await (await node.peer()).upgrade({ path: `/?token=${token()}&token=${token()}` });
    expect(response.status).toBe(400);
  });
});

describe("auth on an authenticated connection", () => {
  test("of the same user brings a new end and new roles, answered auth_success", async () => {
    const known = await authenticated({ sub: "ada" });
    const exp = Math.floor(Date.now() / 1_000) + 7_200;
    known.send(auth({ sub: "ada", exp, role: "admin" }, "again"));
    expect(await known.json()).toMatchObject({
      type: "auth_success",
      id: "again",
      user: { id: "ada", roles: ["admin"] },
      expiresAt: exp * 1_000,
    });
  });

  test("of another user is FORBIDDEN and changes nothing", async () => {
    const known = await authenticated({ sub: "ada", username: "ada" });
    known.send(auth({ sub: "bob" }, "x"));
    expect(await known.json()).toMatchObject({ type: "error", code: "FORBIDDEN", id: "x" });
    known.send({ type: "join_room", roomSlug: "r" });
    await known.jsonOfType("room_joined");
    known.send({ type: "presence", roomSlug: "r" });
    expect(await known.json()).toMatchObject({ users: [{ userId: "ada", username: "ada" }], userCount: 1 });
  });

  test("with a bad token, or none, is an error and the old one goes on", async () => {
    const known = await authenticated({ sub: "ada" });
    known.send({ type: "auth", token: "a.b.c" });
    expect(await known.json()).toMatchObject({ type: "error", code: "AUTH_FAILED" });
    known.send({ type: "auth", token: [token()] });
    expect(await known.json()).toMatchObject({ type: "error", code: "BAD_MESSAGE" });
    known.send({ type: "ping" });
    expect(await known.json()).toMatchObject({ type: "pong" });
  });

  test("that is refused is audited under the user whose connection it is", async () => {
    const known = await authenticated({ sub: "ada" });
    known.send(auth({ sub: "bob" }));
    await known.json();
    known.send({ type: "refresh", token: "a.b.c" });
    await known.json();
    const audit = await node.auditAfterStop();
    const failed = audit.filter((record) => record["event"] === "auth.failed" && record["userId"] === "ada");
    expect(failed.map((record) => record["code"])).toEqual(["FORBIDDEN", "AUTH_FAILED"]);
  });
});
