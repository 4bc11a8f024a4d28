import { beforeAll, describe, expect, test } from "bun:test";
import { Ajv } from "ajv";
import * as v from "valibot";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { clientFrames } from "../../src/protocol/frames.ts";
import { serverFrames } from "../../src/protocol/server-frames.ts";
import manifest from "../../package.json";
import { claims, signed } from "../auth/tokens.ts";
import { conforming } from "../support/conforming.ts";
import { TestNode, token } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";
import { Rig } from "./ports.ts";

/** The contract files against what the node really answers and sends. */

const ADA = { username: "ada", password: "correct horse battery" };

/** What AsyncAPI says of who may connect. */
const Operations = v.object({
  operations: v.record(v.string(), v.object({ security: v.array(v.object({ $ref: v.string() })) })),
});

describe("/openapi.json and /asyncapi.json", () => {
  test("are for everybody, name the version of the package, and are the same text each time", async () => {
    using rig = await Rig.open();
    for (const [path, format] of [
      ["/openapi.json", { openapi: "3.1.0" }],
      ["/asyncapi.json", { asyncapi: "3.0.0" }],
    ] as const) {
      const [first, second] = [await rig.fetch(path), await rig.fetch(path)];
      expect(first.headers.get("content-type")).toBe("application/json");
      const text = await first.text();
      expect(await second.text()).toBe(text);
      expect(JSON.parse(text)).toMatchObject({ ...format, info: { version: manifest.version } });
    }
  });

  test("name every place of a credential for each endpoint: the cookie not on /, the first frame only there", async () => {
    using rig = await Rig.open();
    const document = v.parse(Operations, await (await rig.fetch("/asyncapi.json")).json());
    const places = (key: string) =>
      document.operations[`${key}_receive`]?.security.map(({ $ref }) => $ref.split("/").at(-1));
    const everywhere = ["bearer", "subprotocol", "ticket", "query"];
    expect(places("ws")).toEqual([...everywhere, "cookie"]);
    expect(places("ws_user_id")).toEqual([...everywhere, "cookie"]);
    expect(places("root")).toEqual([...everywhere, "frame"]);
  });

  test("list the routes of this node: without accounts there is no login", async () => {
    using whole = await Rig.open();
    using bare = await Rig.open(() => ({ accounts: null }));
    const [all, some] = [(await whole.answers()).operations, (await bare.answers()).operations];
    expect(all).toContain("GET /openapi.json");
    expect(all.filter((operation) => !some.includes(operation))).toEqual(["POST /api/login", "POST /api/register"]);
  });
});

/** Each of these goes through `Rig.fetch`, which throws where an answer is not the documented one. */
describe("an answer of the API", () => {
  test("is documented with its status, media type, code and body, whatever goes wrong", async () => {
    using rig = await Rig.open();
    const statuses = [
      await rig.fetch("/health"),
      await rig.fetch("/ready"),
      await rig.fetch("/metrics"),
      await rig.fetch("/health?a=1&a=2"),
      await rig.fetch("/ws/stats"),
      await rig.post("/api/register", ADA),
      await rig.post("/api/register", ADA),
      await rig.post("/api/login", ADA),
      await rig.post("/api/login", { ...ADA, password: "wrong horse battery" }),
      await rig.post("/api/login", {}),
      await rig.post("/api/login", { ...ADA, more: "x".repeat(70_000) }),
      await rig.fetch("/api/login", { method: "POST", body: "username=ada" }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200, 400, 401, 201, 409, 200, 401, 400, 413, 415]);
    using draining = await Rig.open(() => ({
      readiness: () => ({ ready: false, reasons: ["draining"], degraded: [] }),
    }));
    expect((await draining.fetch("/ready")).status).toBe(503);
  });

  test("is documented of a node that has no room for more", async () => {
    const full = (): never => {
      throw new ProtocolError("OVERLOADED");
    };
    using rig = await Rig.open(() => ({
      tickets: { issue: full },
      revocation: { revoke: full },
      permissions: { set: full, clear: full },
    }));
    const jwt = signed(claims({ sub: "root", role: "admin" }));
    const headers = { Authorization: `Bearer ${jwt}`, "Content-Type": "application/json" };
    const orders: readonly [string, RequestInit][] = [
      ["/api/ws/ticket", { method: "POST" }],
      ["/api/tokens/revoke", { method: "POST", body: '{"jti":"t1"}' }],
      ["/api/users/u1/permissions", { method: "PUT", body: '{"roles":[]}' }],
    ];
    for (const [path, init] of orders) expect((await rig.fetch(path, { ...init, headers })).status).toBe(503);
  });

  test.each([
    ["a status", "GET", "/health", 418, { status: "ok" }, "418"],
    ["a body", "GET", "/health", 200, { status: "fine" }, "status"],
    ["a code", "POST", "/api/login", 401, errorBody("FORBIDDEN"), "code"],
    ["a field that is missing", "POST", "/api/login", 200, { token: "t" }, "expires_in"],
  ])("that has %s which is not documented fails its test", async (_what, method, path, status, body, named) => {
    using rig = await Rig.open();
    const answers = await rig.answers();
    await expect(answers.check(method, path, Response.json(body, { status }))).rejects.toThrow(named);
  });
});

function errorBody(code: string): object {
  return { type: "error", code, message: "Invalid authentication token", timestamp: 0 };
}

describe("frames", () => {
  const ajv = new Ajv({ strict: false });

  beforeAll(async () => {
    using rig = await Rig.open();
    const document: unknown = await (await rig.fetch("/asyncapi.json")).json();
    ajv.addSchema(Object(document), "asyncapi");
  });

  const problem = (key: string, frame: unknown): string | null => {
    const validate = ajv.getSchema(`asyncapi#/components/schemas/${key}`);
    return validate?.(frame) === true ? null : `${key}: ${ajv.errorsText(validate?.errors)}`;
  };

  test("of every type that the server sends are as the document has them", async () => {
    const node = await TestNode.start({
      ...{ MESSAGES_PER_SECOND: "1000", MESSAGE_BURST: "1000", HISTORY_BYTES: "900000" },
      ...{ PRESENCE_FULL_MAX: "2", PRESENCE_GRACE_MS: "0", PING_INTERVAL_MS: "100" },
    });
    let seen = new Map<string, JsonObject[]>();
    try {
      seen = await conversation(node);
    } finally {
      await node.stop();
    }
    expect([...seen.keys()].toSorted()).toEqual([...Object.keys(serverFrames), "event"].toSorted());
    const problems = [...seen].flatMap(([type, frames]) => frames.map((frame) => problem(`server.${type}`, frame)));
    expect(problems.filter((each) => each !== null)).toEqual([]);
  });

  test.each<[keyof typeof clientFrames, object]>([
    ["auth", { token: "t" }],
    ["join_room", { roomSlug: "r", recover: { offset: 3, epoch: "e" }, id: 7 }],
    ["join_room", { roomSlug: "" }],
    ["join_room", { roomSlug: "a b" }],
    ["join_room", { roomSlug: "x".repeat(196) }],
    ["join_room", { roomSlug: "r", recover: { offset: -1, epoch: "e" } }],
    ["leave_room", {}],
    ["chat_message", { roomSlug: "r", message: "hi", messageId: "" }],
    ["chat_message", { roomSlug: "r", message: "hi", messageId: "m", unknown: [1] }],
    ["subscribe", { topic: "ns:name" }],
    ["subscribe", { topic: "NS:name" }],
    ["subscribe", { topic: `ns:${"x".repeat(198)}` }],
    ["subscribe", { topic: "ns:name", id: "x".repeat(65) }],
    ["subscribe_conversation", { conversation_id: 1.5 }],
    ["subscribe_conversation", { conversation_id: "c1" }],
    ["publish", { topic: "ns:name", event: "move" }],
    ["publish", { topic: "ns:name", event: "room_joined" }],
    ["publish", { topic: "ns:name", event: "Move" }],
    ["publish", { topic: "ns:name", roomSlug: "r", event: "move" }],
    ["publish", { event: "move" }],
    ["typing", { roomSlug: "r", isTyping: 1 }],
    ["presence", { roomSlug: "r", after: "12" }],
    ["presence", { roomSlug: "r", after: "twelve" }],
    ["history", { roomSlug: "r", limit: 0 }],
    ["ping", {}],
  ])("from a client are valid by the document exactly when the node takes them: %s %j", (type, fields) => {
    const taken = v.safeParse(clientFrames[type], fields).success;
    expect(problem(`client.${type}`, { type, ...fields }) === null).toBe(taken);
  });

  test("of the server with a field too many, one too few or another type of it fail the test that receives them", () => {
    const pong = { type: "pong", id: 1, timestamp: 0 };
    expect(conforming(pong)).toBe(pong);
    expect(() => conforming({ ...pong, more: 1 })).toThrow("more");
    expect(() => conforming({ type: "pong" })).toThrow("timestamp");
    expect(() => conforming({ type: "room_left", roomSlug: "a b", timestamp: 0 })).toThrow("roomSlug");
    const state = { type: "presence_state", users: [{ userId: "a" }], userCount: 1, roomSlug: "r", timestamp: 0 };
    expect(() => conforming(state)).toThrow("users.0.username");
    expect(() => conforming({ type: "an_event", timestamp: 0 })).toThrow("messageId");
  });
});

/** At least one frame of every type, by its type; published events under `event`. */
async function conversation(node: TestNode): Promise<Map<string, JsonObject[]>> {
  const seen = new Map<string, JsonObject[]>();
  const next = async (peer: RawPeer, wanted: string): Promise<JsonObject> => {
    for (;;) {
      const frame = await peer.json();
      const type = String(frame["type"]);
      const key = type in serverFrames ? type : "event";
      seen.set(key, [...(seen.get(key) ?? []), frame]);
      if (key === wanted) return frame;
    }
  };
  const tell = (peer: RawPeer, frame: object, answer: string): Promise<JsonObject> => {
    peer.send({ id: 1, ...frame });
    return next(peer, answer);
  };
  const jwt = (sub: string | number, rest: object = {}): string => token({ sub, username: String(sub), ...rest });

  const stranger = await node.upgraded({ path: "/" });
  await tell(stranger, { type: "auth", token: "no token" }, "auth_error");
  const bob = await node.upgraded({ path: "/" });
  await tell(bob, { type: "auth", token: jwt(7) }, "auth_success");
  const soonS = Math.floor(Date.now() / 1_000) + 20;
  const ada = await node.upgraded({ path: `/ws?heartbeat=message&token=${jwt("ada", { exp: soonS })}` });
  await next(ada, "connected");
  // In either order.
  for (const type of ["ping", "auth_expiring"]) if (!seen.has(type)) await next(ada, type);
  await tell(ada, { type: "refresh", token: jwt("ada", { follows: ["bob"] }) }, "auth_refreshed");
  await tell(ada, { type: "ping" }, "pong");
  await tell(ada, { type: "nonsense" }, "error");
  await tell(ada, { type: "chat_message", roomSlug: "r", message: "too early", messageId: "m0" }, "error");

  const { epoch } = await tell(ada, { type: "join_room", roomSlug: "r" }, "room_joined");
  await tell(bob, { type: "subscribe", topic: "room:r" }, "subscribed");
  await next(ada, "user_joined");
  bob.send({ type: "typing", roomSlug: "r", isTyping: true });
  await next(ada, "typing");
  await tell(bob, { type: "unsubscribe", topic: "room:r" }, "unsubscribed");
  await next(ada, "user_left");
  await tell(bob, { type: "join_room", roomSlug: "r" }, "room_joined");
  for (let n = 0; n < 80; n += 1) {
    await tell(ada, { type: "chat_message", roomSlug: "r", message: `${n} ${"x".repeat(4_000)}` }, "message_sent");
    await next(bob, "new_message");
  }
  await tell(ada, { type: "publish", roomSlug: "r", event: "move", data: { x: 1 } }, "published");
  await next(bob, "event");

  const carol = await node.connect("carol");
  await tell(carol, { type: "join_room", roomSlug: "r", recover: { offset: 0, epoch } }, "room_joined");
  await next(carol, "recovered");
  await next(ada, "presence_diff");
  await tell(ada, { type: "presence", roomSlug: "r" }, "presence_state");
  await tell(ada, { type: "history", roomSlug: "r", since: { offset: 2, epoch }, limit: 3 }, "history");
  node.running.hub.lose("room:r", { offset: 90, epoch: "another" });
  await next(ada, "gap");
  await tell(bob, { type: "leave_room", roomSlug: "r" }, "room_left");
  const drained = node.drain();
  await next(ada, "server_draining");
  await drained;
  return seen;
}
