import { describe, expect, test } from "bun:test";
import { removeFromTopic } from "../../src/hub/membership.ts";
import { Grants } from "../../src/hub/grants.ts";
import { recheck } from "../../src/hub/recheck.ts";
import type { GrantedAction } from "../../src/protocol/principal.ts";
import { claims, NOW_S, signed } from "../auth/tokens.ts";
import { HubRig } from "../support/hub.ts";
import { principal } from "../support/principal.ts";

/** What a second token of the same user opens, and for how long. */

const granted = (...actions: GrantedAction[]) => new Map([["conversation:42", actions]]);

/** A code, or the type of the answer. */
function outcome(answer: Readonly<Record<string, unknown>>): unknown {
  return answer["type"] === "error" ? answer["code"] : answer["type"];
}

describe("the token of a subscribe", () => {
  const topic = "conversation:42";
  const good = (changes: Record<string, unknown> = {}) =>
    signed(claims({ sub: "7", topics: { [topic]: ["read", "write"] }, ...changes }));
  const subscribe = (token: string) => ({ type: "subscribe", topic, token });

  test("opens that one topic for this connection, to read and to write", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    const other = rig.connect("7");
    const token = good({ topics: { "conversation:**": ["read", "write"] } });
    expect(rig.answer(ada, subscribe(token))).toMatchObject({ type: "subscribed", topic, userCount: 1 });
    expect(rig.answer(ada, { type: "publish", topic, event: "noted" })).toMatchObject({ type: "published" });
    for (const [who, name] of [
      [ada, "conversation:43"],
      [other, topic],
    ] as const) {
      expect(rig.answer(who, { type: "subscribe", topic: name })).toMatchObject({ code: "FORBIDDEN" });
    }
    expect(ada.connection.principal?.topics).toBeNull();
  });

  test.each([
    ["another user", () => good({ sub: "8" })],
    ["the same user, expired", () => good({ exp: NOW_S - 6 })],
    ["nobody", () => "garbage"],
    ["nothing", () => ""],
    ["another secret", () => signed(claims({ sub: "7" }), { secret: "another-secret-of-32-bytes-at-least" })],
    ["an inactive user", () => good({ isActive: false })],
  ])("of %s is AUTH_FAILED, grants nothing, ends nothing, and is in the audit log", (_whose, make) => {
    const rig = new HubRig();
    const ada = rig.connect("7", undefined, { topics: new Map([[topic, ["write"] as const]]) });
    expect(rig.answer(ada, { ...subscribe(make()), id: 1 })).toEqual({
      ...{ type: "error", id: 1, code: "AUTH_FAILED", message: "Invalid authentication token", topic },
      timestamp: expect.any(Number),
    });
    expect(ada.socket.closed).toBeNull();
    expect(ada.connection.rooms).toEqual([]);
    expect(ada.connection.grants).toBeNull();
    expect(rig.answer(ada, { type: "subscribe", topic })).toMatchObject({ code: "FORBIDDEN" });
    expect(rig.audit.find(({ event }) => event === "auth.failed")).toMatchObject({
      ...{ userId: "7", result: "refused", code: "AUTH_FAILED", about: { topic } },
    });
    expect(rig.metrics.authentications.get("other")).toBe(1);
  });

  test("that is bad is AUTH_FAILED for a topic too that would be open without one", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    expect(rig.answer(ada, { type: "subscribe", topic: "room:a", token: "garbage" })).toMatchObject({
      code: "AUTH_FAILED",
    });
    expect(ada.connection.rooms).toEqual([]);
  });

  test("that grants nothing here changes nothing", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    const token = good({ topics: { "conversation:43": ["read"] } });
    expect(rig.answer(ada, subscribe(token))).toMatchObject({ code: "FORBIDDEN", topic });
    expect(rig.answer(ada, { type: "subscribe", topic: "wallet:7", token })).toMatchObject({ type: "subscribed" });
    expect(ada.connection.grants).toBeNull();
  });

  test("does not give the permission that the namespace needs besides", () => {
    const rig = new HubRig();
    const guest = rig.connect("7", undefined, { roles: ["guest"] });
    const token = good({ role: "admin", permissions: ["conversation.read"] });
    expect(rig.answer(guest, subscribe(token))).toMatchObject({ code: "FORBIDDEN" });
    expect(guest.connection.grants).toBeNull();
  });

  test("opens nothing that is not granted by name", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    const topics = { "user:8": ["read", "write"], "wallet:8": ["read"], "secret:a": ["read"], "system:load": ["read"] };
    for (const name of Object.keys(topics)) {
      expect(rig.answer(ada, { type: "subscribe", topic: name, token: good({ topics }) })).toMatchObject({
        code: "FORBIDDEN",
      });
    }
    expect(ada.connection.grants).toBeNull();
  });

  test("leaves nothing behind when the join fails, however often", () => {
    const rig = new HubRig({ maxTopicsPerConnection: 1, joinBurst: 1_000 });
    const ada = rig.member("7", "r");
    const token = good({ topics: { "conversation:*": ["read"] } });
    for (let name = 0; name < 500; name += 1) {
      expect(rig.answer(ada, { type: "subscribe", topic: `conversation:${name}`, token })).toMatchObject({
        code: "TOPIC_LIMIT",
      });
    }
    expect(ada.connection.grants).toBeNull();
  });

  test("ends with the membership", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    rig.answer(ada, subscribe(good()));
    rig.answer(ada, { type: "unsubscribe", topic });
    expect(rig.answer(ada, { type: "subscribe", topic })).toMatchObject({ code: "FORBIDDEN" });
    rig.answer(ada, subscribe(good()));
    removeFromTopic(rig.hub, ada.connection, topic, "REVOKED");
    expect(ada.socket.take()).toMatchObject([{ type: "unsubscribed", topic, code: "REVOKED" }]);
    expect(rig.answer(ada, { type: "subscribe", topic })).toMatchObject({ code: "FORBIDDEN" });
  });

  test("takes the connection out of the topic when it ends, and tells it so", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    rig.answer(ada, subscribe(good({ exp: NOW_S + 60 })));
    rig.tick(64);
    expect(ada.socket.take().filter(({ type }) => type !== "ping")).toEqual([]);
    rig.tick(2);
    expect(ada.socket.take()).toMatchObject([{ type: "unsubscribed", topic, code: "TOKEN_EXPIRED" }]);
    expect(ada.socket.closed).toBeNull();
    expect(rig.answer(ada, { type: "publish", topic, event: "noted" })).toMatchObject({ code: "FORBIDDEN" });
  });

  test("that ends takes nothing that the connection has by itself", () => {
    const rig = new HubRig();
    const ada = rig.connect("7", undefined, { topics: granted("read") });
    rig.answer(ada, subscribe(good({ exp: NOW_S + 60 })));
    rig.tick(66);
    expect(ada.connection.rooms.map(({ topic: name }) => name)).toEqual([topic]);
    expect(rig.answer(ada, { type: "publish", topic, event: "noted" })).toMatchObject({ code: "FORBIDDEN" });
  });

  test("of a second subscribe takes the place of the first one's, and one that fails does not", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    const publish = () => outcome(rig.answer(ada, { type: "publish", topic, event: "noted" }));
    rig.answer(ada, subscribe(good()));
    expect(publish()).toBe("published");
    rig.answer(ada, subscribe(signed(claims({ sub: "8" }))));
    expect(publish()).toBe("published");
    rig.answer(ada, subscribe(good({ topics: { [topic]: ["read"] } })));
    expect(publish()).toBe("FORBIDDEN");
    expect(ada.connection.grants?.size).toBe(1);
  });

  test("outlives no permission that is taken away", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    rig.answer(ada, subscribe(good()));
    rig.answer(ada, { type: "subscribe", topic: "wallet:7", token: good({ topics: { "wallet:7": ["read"] } }) });
    ada.socket.take();
    expect(recheck(rig.hub, ada.connection, principal({ id: "7", roles: ["guest"] }), "FORBIDDEN")).toEqual([
      topic,
      "wallet:7",
    ]);
    expect(ada.socket.take().map(({ type, code }) => [type, code])).toEqual([
      ["unsubscribed", "FORBIDDEN"],
      ["unsubscribed", "FORBIDDEN"],
    ]);
    expect(ada.connection.grants).toBeNull();
  });

  test("leaves what the backend gave", () => {
    const rig = new HubRig();
    const guest = rig.connect("7", undefined, { roles: ["guest"] });
    guest.connection.grants = new Grants();
    guest.connection.grants.set(topic, ["read"], Number.POSITIVE_INFINITY);
    expect(rig.answer(guest, subscribe(good({ topics: { [topic]: ["write"] } })))).toMatchObject({ userCount: 1 });
    expect(rig.answer(guest, { type: "publish", topic, event: "noted" })).toMatchObject({ code: "FORBIDDEN" });
    rig.tick(3_600);
    expect(guest.connection.rooms).toHaveLength(guest.socket.closed === null ? 1 : 0);
  });
});
