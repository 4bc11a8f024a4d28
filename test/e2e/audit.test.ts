import { afterEach, beforeEach, expect, test } from "bun:test";
import * as v from "valibot";
import { AUDIT_EVENTS } from "../../src/observe/audit.ts";
import { type AuditRecord, AuditStage } from "../support/audit-stage.ts";
import { encodeFrame } from "../support/frames.ts";

/** One session with everything in it that is worth a record, and the whole audit log of it: every record, every field, in order, once. */

const APP = "https://app.example";
const FOREIGN_SECRET = "another-secret-of-more-than-32-bytes!";
const CREDENTIALS = { username: "grace", password: "correct horse" };

/** What happens, and the records that come of it. A new kind of event is a row. */
type Step = readonly [what: string, act: (stage: AuditStage) => Promise<readonly AuditRecord[]>];

const asHeader = (jwt: string) => [["Authorization", `Bearer ${jwt}`]] as const;

const STEPS: readonly Step[] = [
  ["a handshake with a token", async (s) => [await s.connect("ada", "ada")]],
  [
    "one with a cookie and an allowed Origin",
    async (s) => {
      const headers = [
        ["Cookie", `access_token=${s.token("bob")}`],
        ["Origin", APP],
      ] as const;
      return [await s.connect("bob", "bob", { path: "/ws", headers })];
    },
  ],
  ["the first frame", async (s) => [await s.authenticate("eve", "eve")]],

  // Handshakes that are refused by a status.
  ["no token", async (s) => [await s.refused(401, {}, s.record("auth.failed", "warning", "AUTH_REQUIRED"))]],
  [
    "a token of somebody else's secret",
    async (s) => {
      const headers = asHeader(s.token("ada", {}, FOREIGN_SECRET));
      return [await s.refused(401, { headers }, s.record("auth.failed", "warning", "AUTH_FAILED"))];
    },
  ],
  [
    "a token that has ended",
    async (s) => {
      const headers = asHeader(s.token("ada", { exp: 1_000 }));
      return [await s.refused(401, { headers }, s.record("auth.failed", "warning", "TOKEN_EXPIRED"))];
    },
  ],
  [
    "a user who is inactive",
    async (s) => {
      const headers = asHeader(s.token("ada", { isActive: false }));
      return [await s.refused(403, { headers }, s.record("connection.refused", "warning", "FORBIDDEN"))];
    },
  ],
  [
    "another site's page",
    async (s) => {
      const headers = [...asHeader(s.token("ada")), ["Origin", "https://evil.example"]] as const;
      return [await s.refused(403, { headers }, s.record("connection.refused", "warning", "ORIGIN_FORBIDDEN"))];
    },
  ],
  [
    "two tokens",
    async (s) => {
      const request = { path: `/ws?token=${s.token("ada")}`, headers: asHeader(s.token("ada")) };
      return [await s.refused(400, request, s.record("connection.refused", "warning", "BAD_REQUEST"))];
    },
  ],
  [
    "a path that is none",
    async (s) => [await s.refused(404, { path: "/nowhere" }, s.record("connection.refused", "warning", "NOT_FOUND"))],
  ],
  [
    "a handshake without a key",
    async (s) => [await s.refused(400, { key: null }, s.record("connection.refused", "warning", "BAD_REQUEST"))],
  ],
  [
    "a handshake of another version",
    async (s) => [
      await s.refused(426, { version: "8" }, s.record("connection.refused", "warning", "UPGRADE_REQUIRED")),
    ],
  ],
  [
    "a user with too many connections",
    async (s) => {
      const second = await s.connect("eve's second", "eve");
      const record = s.record("connection.refused", "warning", "CONNECTION_LIMIT", { userId: "eve" });
      return [second, await s.refused(429, { headers: asHeader(s.token("eve")) }, record)];
    },
  ],
  [
    "a refusal that comes three times within a second",
    async (s) => {
      const record = s.record("auth.failed", "warning", "AUTH_REQUIRED");
      const first = await s.refused(401, {}, record);
      await s.refused(401, {}, record);
      await s.refused(401, {}, record);
      const since = record["time"];
      s.clock.advance(1_000);
      return [first, s.record("auth.failed", "warning", "AUTH_REQUIRED", { count: 2, since })];
    },
  ],

  // Refused by a frame and a close code.
  [
    "a bad token in the first frame",
    async (s) => {
      const frames = [JSON.stringify({ type: "auth", token: "a.b.c" })];
      return [await s.ended(4001, frames, s.record("auth.failed", "warning", "AUTH_FAILED"))];
    },
  ],
  [
    "too many connections, told to the first frame",
    async (s) => {
      const frames = [JSON.stringify({ type: "auth", token: s.token("eve") })];
      const record = s.record("connection.refused", "warning", "CONNECTION_LIMIT", { userId: "eve" });
      return [await s.ended(4008, frames, record)];
    },
  ],
  [
    "ten frames before the first frame that counts",
    async (s) => {
      const frames = Array.from({ length: 10 }, () => '{"type":"ping"}');
      return [await s.ended(4001, frames, s.record("auth.failed", "warning", "AUTH_REQUIRED"))];
    },
  ],
  [
    "a first frame that is too large",
    async (s) => {
      const record = s.record("connection.refused", "warning", "MESSAGE_TOO_LARGE");
      return [await s.ended(1009, ["x".repeat(8_193)], record)];
    },
  ],

  [
    "the path of another user",
    async (s) => {
      const path = `/ws/eve?token=${s.token("ada")}`;
      return [await s.ended(4003, [], s.record("connection.refused", "warning", "FORBIDDEN", { userId: "ada" }), path)];
    },
  ],
  [
    "a path without a token",
    async (s) => [await s.ended(4001, [], s.record("auth.failed", "warning", "AUTH_REQUIRED"), "/ws/eve")],
  ],
  [
    "a conversation that is not the user's",
    async (s) => {
      const path = `/ws/conversation/ada/c?token=${s.token("ada")}`;
      return [
        await s.ended(
          4003,
          [],
          s.record("access.denied", "warning", "FORBIDDEN", { userId: "ada", topic: "conversation:c" }),
          path,
        ),
      ];
    },
  ],

  // Topics.
  [
    "joining a room, once and again",
    async (s) => {
      for (let time = 0; time < 2; time += 1) await s.say("ada", { type: "join_room", roomSlug: "r" }, "room_joined");
      return [s.of("ada", "topic.joined", "info", "OK", { topic: "room:r" })];
    },
  ],
  [
    "leaving it, once and again",
    async (s) => {
      for (let time = 0; time < 2; time += 1) await s.say("ada", { type: "leave_room", roomSlug: "r" }, "room_left");
      return [s.of("ada", "topic.left", "info", "OK", { topic: "room:r" })];
    },
  ],
  [
    "a topic that anybody may read",
    async (s) => {
      await s.say("ada", { type: "subscribe", topic: "system:status" }, "subscribed");
      await s.say("ada", { type: "unsubscribe", topic: "system:status" }, "unsubscribed");
      const about = { topic: "system:status" };
      return [s.of("ada", "topic.joined", "info", "OK", about), s.of("ada", "topic.left", "info", "OK", about)];
    },
  ],
  [
    "topics of others",
    async (s) => {
      const frames = [
        { type: "subscribe", topic: "user:bob" },
        { type: "publish", topic: "user:bob", event: "note", data: 1 },
        { type: "history", topic: "wallet:bob" },
        { type: "presence", topic: "followers:bob" },
        { type: "typing", topic: "system:health", isTyping: true },
        { type: "subscribe", topic: "nothing:bob" },
        { type: "subscribe_conversation", conversation_id: 7 },
      ];
      for (const frame of frames) await s.say("ada", frame, "error", "FORBIDDEN");
      const topics = frames.map(({ topic }) => topic ?? "conversation:7");
      return topics.map((topic) => s.of("ada", "access.denied", "warning", "FORBIDDEN", { topic }));
    },
  ],
  [
    "a room that one is not in, which anybody could be",
    async (s) => {
      await s.say("ada", { type: "chat_message", roomSlug: "r", message: "x" }, "error", "NOT_A_MEMBER");
      return [];
    },
  ],
  [
    "a second token that grants a conversation",
    async (s) => {
      const jwt = s.token("ada", { topics: { "conversation:9": ["read"] } });
      await s.say("ada", { type: "subscribe", topic: "conversation:9", token: jwt }, "subscribed");
      return [s.of("ada", "topic.joined", "info", "OK", { topic: "conversation:9" })];
    },
  ],
  [
    "a second token of somebody else",
    async (s) => {
      const topic = "conversation:8";
      await s.say("ada", { type: "subscribe", topic, token: s.token("bob") }, "error", "AUTH_FAILED");
      return [s.of("ada", "auth.failed", "warning", "AUTH_FAILED", { topic })];
    },
  ],

  // New tokens.
  [
    "a token of the same user",
    async (s) => {
      await s.say("ada", { type: "refresh", token: s.token("ada", { role: "moderator" }) }, "auth_refreshed");
      return [];
    },
  ],
  [
    "what it allows, until the next one does not",
    async (s) => {
      const topic = "system:health";
      await s.say("ada", { type: "subscribe", topic }, "subscribed");
      await s.say("ada", { type: "refresh", token: s.token("ada") }, "auth_refreshed");
      return [s.of("ada", "topic.joined", "info", "OK", { topic }), s.of("ada", "topic.left", "info", "OK", { topic })];
    },
  ],
  [
    "the token of another user",
    async (s) => {
      await s.say("ada", { type: "refresh", token: s.token("bob") }, "error", "FORBIDDEN");
      await s.say("ada", { type: "auth", token: s.token("bob") }, "error", "FORBIDDEN");
      const record = s.of("ada", "auth.failed", "warning", "FORBIDDEN");
      return [record, record];
    },
  ],
  [
    "a new token that is none",
    async (s) => {
      await s.say("ada", { type: "refresh", token: "a.b.c" }, "error", "AUTH_FAILED");
      return [s.of("ada", "auth.failed", "warning", "AUTH_FAILED")];
    },
  ],

  // Accounts and other HTTP.
  [
    "a registration",
    async (s) => {
      const response = await s.post(201, "/api/register", CREDENTIALS);
      const { token } = v.parse(v.object({ token: v.string() }), await response.json());
      graceId = userOf(token);
      return [s.ofHttp("account.registered", "info", "OK", { userId: graceId })];
    },
  ],
  [
    "one of a name that is taken",
    async (s) => {
      await s.post(409, "/api/register", CREDENTIALS);
      return [s.ofHttp("account.registered", "warning", "CONFLICT")];
    },
  ],
  [
    "a login",
    async (s) => {
      await s.post(200, "/api/login", CREDENTIALS);
      return [s.ofHttp("account.login", "info", "OK", { userId: graceId })];
    },
  ],
  [
    "a wrong password",
    async (s) => {
      await s.post(401, "/api/login", { ...CREDENTIALS, password: "wrong horse" });
      return [s.ofHttp("account.login", "warning", "AUTH_FAILED", { userId: graceId })];
    },
  ],
  [
    "an unknown name",
    async (s) => {
      await s.post(401, "/api/login", { ...CREDENTIALS, username: "nobody" });
      return [s.ofHttp("account.login", "warning", "AUTH_FAILED")];
    },
  ],
  [
    "too many logins",
    async (s) => {
      const name = { username: "guessed", password: "x" };
      for (let time = 0; time < 10; time += 1) await s.post(401, "/api/login", name);
      await s.post(429, "/api/login", name);
      const first = s.ofHttp("account.login", "warning", "AUTH_FAILED");
      const limited = s.ofHttp("account.login", "warning", "RATE_LIMITED");
      s.clock.advance(1_000);
      return [
        first,
        limited,
        { ...s.record("account.login", "warning", "AUTH_FAILED"), count: 9, since: first["time"] },
      ];
    },
  ],
  [
    "statistics for nobody, for a user and for a moderator",
    async (s) => {
      const as = (jwt: string) => ({ headers: { Authorization: `Bearer ${jwt}` } });
      await s.http(401, "/ws/stats");
      await s.http(403, "/ws/stats?token=x", as(s.token("ada")));
      await s.http(200, "/ws/stats", as(s.token("mo", { role: "moderator" })));
      return [
        s.refusedCall("GET /ws/stats", "AUTH_REQUIRED"),
        s.refusedCall("GET /ws/stats", "FORBIDDEN", { userId: "ada", by: "token" }),
        s.called("GET /ws/stats", { userId: "mo" }),
      ];
    },
  ],
  [
    "health and metrics",
    async (s) => {
      for (const path of ["/health", "/ready", "/metrics"]) await s.http(200, path);
      return [];
    },
  ],

  // Tickets, and what the backend orders.
  [
    "a ticket, used once and again",
    async (s) => {
      const headers = { Authorization: `Bearer ${s.token("kim")}` };
      const response = await s.http(201, "/api/ws/ticket", { method: "POST", headers });
      const { ticket } = v.parse(v.object({ ticket: v.string() }), await response.json());
      const path = `/ws?ticket=${ticket}`;
      const accepted = await s.connect("kim", "kim", { path });
      return [accepted, await s.refused(401, { path }, s.record("auth.failed", "warning", "AUTH_FAILED"))];
    },
  ],
  [
    "a ticket for nobody, and for a cookie from nowhere",
    async (s) => {
      const path = "/api/ws/ticket";
      await s.http(401, path, { method: "POST" });
      await s.http(403, path, { method: "POST", headers: { Cookie: `access_token=${s.token("ada")}` } });
      const about = { method: "POST", route: path };
      return [
        s.ofHttp("auth.failed", "warning", "AUTH_REQUIRED", about),
        s.ofHttp("access.denied", "warning", "ORIGIN_FORBIDDEN", about),
      ];
    },
  ],
  [
    "permissions that are changed, and what they took away",
    async (s) => {
      const topic = "conversation:k";
      await s.order("PUT", "/api/users/kim/permissions", { topics: { [topic]: ["read"] } });
      await s.say("kim", { type: "subscribe", topic }, "subscribed");
      await s.order("DELETE", "/api/users/kim/permissions");
      const changed = { ofUser: "kim", connections: 1 };
      const route = "/api/users/{id}/permissions";
      return [
        s.ofOrder("permissions.changed", { ...changed, change: "set", topicsLost: 0 }),
        s.called(`PUT ${route}`),
        s.of("kim", "topic.joined", "info", "OK", { topic }),
        s.of("kim", "topic.left", "info", "OK", { topic }),
        s.ofOrder("permissions.changed", { ...changed, change: "cleared", topicsLost: 1 }),
        s.called(`DELETE ${route}`),
      ];
    },
  ],
  [
    "tokens that are revoked, and their connection",
    async (s) => {
      const closed = await s.leave("kim", 4_003, () => s.order("POST", "/api/tokens/revoke", { sub: "kim" }));
      return [
        closed,
        s.ofOrder("token.revoked", { kind: "sub", ofUser: "kim", connections: 1 }),
        s.called("POST /api/tokens/revoke"),
      ];
    },
  ],
  [
    "a user who is disconnected",
    async (s) => {
      const accepted = await s.connect("lou", "lou");
      const closed = await s.leave("lou", 4_444, () => s.order("POST", "/api/users/lou/disconnect", { code: 4_444 }));
      const record = s.ofOrder("user.disconnected", { ofUser: "lou", connections: 1, closeCode: 4_444 });
      return [accepted, closed, record, s.called("POST /api/users/{id}/disconnect")];
    },
  ],
  [
    "an event of the backend, and one that is too large",
    async (s) => {
      await s.order("POST", "/api/publish", { topic: "room:r", event: "note", data: 1 });
      await s.order("POST", "/api/publish", { topic: "room:r", event: "note", data: "x".repeat(20_000) }, 413);
      const route = "POST /api/publish";
      return [s.called(route), s.refusedCall(route, "MESSAGE_TOO_LARGE", { userId: "root", by: "token" })];
    },
  ],
  [
    "orders of who may give none",
    async (s) => {
      const headers = { Authorization: `Bearer ${s.token("ada")}`, "Content-Type": "application/json" };
      const path = "/api/tokens/revoke";
      await s.http(403, path, { method: "POST", headers, body: '{"sub":"bob"}' });
      await s.http(401, path, { method: "POST", headers: { "X-API-Key": "guessed" }, body: '{"sub":"bob"}' });
      return [
        s.refusedCall(`POST ${path}`, "FORBIDDEN", { userId: "ada", by: "token" }),
        s.refusedCall(`POST ${path}`, "AUTH_FAILED"),
      ];
    },
  ],

  // Limits, and the ends of connections.
  [
    "more than the rate, until the connection ends",
    async (s) => {
      const flood = Buffer.concat(
        Array.from({ length: 140 }, () => encodeFrame({ opcode: 1, payload: '{"type":"ping"}' })),
      );
      const closed = await s.leave("bob", 4029, (peer) => peer.writeRaw(flood));
      return [s.of("bob", "rate.limited", "warning", "RATE_LIMITED"), closed];
    },
  ],
  [
    "a client that leaves with a code of its own",
    async (s) => [await s.leave("eve", 3_456, (peer) => peer.close(3_456, "bye"))],
  ],
  ["a client that is gone", async (s) => [await s.leave("eve's second", 1_006, (peer) => peer.destroy())]],
  [
    "a broken frame",
    async (s) => {
      const accepted = await s.connect("hal", "hal");
      return [accepted, await s.leave("hal", 1_006, (peer) => peer.writeRaw(Buffer.from("8380000000", "hex")))];
    },
  ],
  [
    "a token that ends",
    async (s) => {
      const accepted = await s.connect("ivy", "ivy", {
        path: `/ws?token=${s.token("ivy", { exp: Math.floor(s.clock.now() / 1_000) + 10 })}`,
      });
      s.clock.advance(20_000);
      return [accepted, await s.leave("ivy", 4_001, (peer) => peer.closed())];
    },
  ],
  [
    "the drain, whose connection leaves its topics with it",
    async (s) => {
      return [await s.leave("ada", 1_012, () => s.node.running.drain())];
    },
  ],
  [
    "a handshake behind the drain",
    async (s) => {
      return [await s.refused(503, {}, s.record("connection.refused", "warning", "DRAINING"))];
    },
  ],
];

/** Recorded by what no script of a second can do: test/hub/hub.test.ts and test/hub/recovery.test.ts. */
const ELSEWHERE: readonly string[] = ["slow.consumer"];

function userOf(jwt: string): string {
  const claims: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
  return v.parse(v.object({ sub: v.string() }), claims).sub;
}

let graceId = "";
let stage: AuditStage;

beforeEach(async () => {
  stage = await AuditStage.start({ ALLOWED_ORIGINS: APP, MAX_CONNECTIONS_PER_USER: "2" });
});
afterEach(() => stage.node.stop());

test("the audit log of a session is exactly what happened in it", async () => {
  const expected: { readonly step: string; readonly record: AuditRecord }[] = [];
  for (const [step, act] of STEPS) {
    stage.next();
    for (const record of await act(stage)) expected.push({ step, record });
  }
  const written = await stage.node.auditAfterStop();
  for (const [index, { step, record }] of expected.entries())
    expect({ step, record: written[index] }).toEqual({ step, record });
  expect(written.slice(expected.length)).toEqual([]);

  const events = new Set(written.map(({ event }) => event));
  expect(Object.keys(AUDIT_EVENTS).filter((event) => !events.has(event) && !ELSEWHERE.includes(event))).toEqual([]);
});
