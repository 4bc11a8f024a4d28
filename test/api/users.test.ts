import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { BackendRig } from "./backend-rig.ts";

let rig: BackendRig;

beforeEach(() => {
  rig = new BackendRig();
});

afterEach(() => {
  rig[Symbol.dispose]();
});

const EVENT = { event: "notification", data: { title: "New follower" } };

describe("POST /api/users/{id}/send", () => {
  test("reaches the user's connections and answers with their number and the position", async () => {
    const { socket } = rig.hub.connect("a:b/c%");
    rig.hub.connect("a:b/c%");
    const answer = await rig.call(`/api/users/${encodeURIComponent("a:b/c%")}/send`, { ...EVENT, messageId: "m" });
    expect(answer).toEqual([200, { delivered: 2, messageId: "m", offset: 1, epoch: expect.any(String) }]);
    expect(socket.take()).toMatchObject([{ type: "notification", topic: "user:a:b/c%", messageId: "m" }]);
  });

  test("with the same id is delivered once, and with another text 409", async () => {
    const { socket } = rig.hub.connect("u1");
    for (const _ of [1, 2]) {
      expect(await rig.call("/api/users/u1/send", { ...EVENT, messageId: "m" })).toMatchObject([200, { offset: 1 }]);
    }
    expect(await rig.call("/api/users/u1/send", { event: "notification", messageId: "m" })).toMatchObject([
      409,
      { code: "MESSAGE_ID_REUSED" },
    ]);
    expect(socket.take()).toHaveLength(1);
  });

  test.each(["/api/users/a%20b/send", "/api/users/%ff/send", `/api/users/${"u".repeat(129)}/send`])(
    "%s names no user: 400",
    async (path) => {
      expect(await rig.call(path, EVENT)).toMatchObject([400, { code: "BAD_REQUEST" }]);
    },
  );
});

describe("POST /api/users/{id}/followers/send", () => {
  test("reaches the followers and those who are named", async () => {
    const { socket } = rig.hub.connect("named");
    const answer = await rig.call("/api/users/star/followers/send", { ...EVENT, to: ["named"] });
    expect(answer).toMatchObject([200, { delivered: 1, offset: 1 }]);
    expect(socket.take()).toMatchObject([{ type: "notification", topic: "user:named" }]);
  });

  test.each([
    ["a user that is none", ["a b"]],
    ["no list", "named"],
    ["101 users", Array.from({ length: 101 }, (_, index) => `u${index}`)],
  ])("to %s is refused", async (_what, to) => {
    expect(await rig.call("/api/users/star/followers/send", { ...EVENT, to })).toMatchObject([400, {}]);
  });
});

describe("POST /api/users/{id}/disconnect", () => {
  test("ends the connections with the code and the reason", async () => {
    const { socket } = rig.hub.connect("u1");
    const stays = rig.hub.connect("u1");
    const body = { code: 4100, reason: "é".repeat(61), except: [stays.connection.id] };
    expect(await rig.call("/api/users/u1/disconnect", body)).toEqual([200, { closed: 1 }]);
    expect(socket.closed).toEqual({ code: 4100, reason: body.reason });
    expect(stays.socket.closed).toBeNull();
    expect(await rig.call("/api/users/u1/disconnect", {})).toEqual([200, { closed: 1 }]);
    expect(stays.socket.closed).toEqual({ code: 4003, reason: "FORBIDDEN" });
  });

  test.each([
    ["the code 3999", { code: 3_999 }],
    ["the code 5000", { code: 5_000 }],
    ["the code 1000", { code: 1_000 }],
    ["half a code", { code: 4_000.5 }],
    ["a code as text", { code: "4003" }],
    ["a reason of 124 bytes", { reason: "é".repeat(62) }],
    ["half of a character in the reason", { reason: "\ud800" }],
    ["no list of connections", { except: "c1" }],
    ["101 connections", { except: Array.from({ length: 101 }, (_, index) => `c${index}`) }],
  ])("with %s is refused, and nobody is ended", async (_what, body) => {
    const { socket } = rig.hub.connect("u1");
    expect(await rig.call("/api/users/u1/disconnect", body)).toMatchObject([400, { code: "BAD_REQUEST" }]);
    expect(socket.closed).toBeNull();
  });
});

describe("POST /api/users/{id}/subscribe and unsubscribe", () => {
  test("make its connections members, and end that", async () => {
    const { socket } = rig.hub.connect("u1");
    const body = { topic: "conversation:7" };
    expect(await rig.call("/api/users/u1/subscribe", body)).toEqual([200, { subscribed: 1, skipped: 0 }]);
    expect(await rig.call("/api/users/u1/unsubscribe", body)).toEqual([200, { unsubscribed: 1 }]);
    expect(socket.take()).toMatchObject([
      { type: "subscribed", topic: "conversation:7" },
      { type: "unsubscribed", topic: "conversation:7", code: "REVOKED" },
    ]);
    expect(await rig.call("/api/users/nobody/subscribe", body)).toEqual([200, { subscribed: 0, skipped: 0 }]);
  });

  test.each(["user:u2", "conversation", ""])("to %j are refused", async (topic) => {
    rig.hub.connect("u1");
    expect(await rig.call("/api/users/u1/subscribe", { topic })).toMatchObject([400, { code: "BAD_REQUEST" }]);
  });
});
