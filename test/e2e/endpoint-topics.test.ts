import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";

/** The topics that an endpoint brings: who gets them, what comes through them, and when they end. */

const TOPIC = "conversation:42";
const GRANT = { topics: { [TOPIC]: ["read", "write"] } };

let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start({ MAX_TOPICS_PER_CONNECTION: "1", PRESENCE_GRACE_MS: "0" });
});
afterEach(() => node.stop());

const bearer = (jwt: string): readonly [string, string] => ["Authorization", `Bearer ${jwt}`];
const tokenOf = (sub: string, claims: Record<string, unknown> = GRANT): string =>
  token({ sub, username: sub, ...claims });

/** A connection of the conversation's endpoint, and its greeting. */
async function enter(sub: string): Promise<{ peer: RawPeer; greeting: JsonObject }> {
  const peer = await node.upgraded({ path: `/ws/conversation/${sub}/42`, headers: [bearer(tokenOf(sub))] });
  return { peer, greeting: await peer.json() };
}

function publish(peer: RawPeer, data: unknown): Promise<JsonObject> {
  peer.send({ type: "publish", topic: TOPIC, event: "token", data });
  return peer.jsonOfType("published");
}

describe("the endpoint of a conversation", () => {
  test("receives what is published there, from the position of its greeting on", async () => {
    const bob = await node.connect("bob", GRANT);
    await publish(bob, "before");
    const { peer, greeting } = await enter("ada");
    const epoch: unknown = expect.any(String);
    expect(greeting["topics"]).toEqual([
      { topic: "user:ada", offset: 0, epoch },
      { topic: TOPIC, offset: 1, epoch },
    ]);
    await publish(bob, "after");
    expect(await peer.json()).toMatchObject({ type: "token", topic: TOPIC, data: "after", offset: 2 });
  });

  test("is announced to the others, who hear of its end as well", async () => {
    const { peer: ada } = await enter("ada");
    const { peer: bob } = await enter("bob");
    expect(await ada.json()).toMatchObject({ type: "user_joined", topic: TOPIC, data: { userId: "bob" } });
    bob.send({ type: "presence", topic: TOPIC });
    const { users, userCount } = await bob.jsonOfType("presence_state");
    expect(userCount).toBe(2);
    // Each node lists its own users first.
    expect(users).toContainEqual(expect.objectContaining({ userId: "ada" }));
    expect(users).toContainEqual(expect.objectContaining({ userId: "bob" }));
    ada.send({ type: "typing", topic: TOPIC, isTyping: true });
    expect(await bob.jsonOfType("typing")).toMatchObject({ userId: "ada" });
    bob.close();
    expect(await ada.jsonOfType("user_left")).toMatchObject({ topic: TOPIC, data: { userId: "bob" } });
  });

  test("does not count against the limit of topics, and may be left and joined again like any other", async () => {
    const { peer } = await enter("ada");
    peer.send({ type: "join_room", roomSlug: "r" });
    expect(await peer.json()).toMatchObject({ type: "room_joined" });
    peer.send({ type: "join_room", roomSlug: "s" });
    expect(await peer.json()).toMatchObject({ type: "error", code: "TOPIC_LIMIT" });
    peer.send({ type: "unsubscribe", topic: TOPIC });
    expect(await peer.json()).toMatchObject({ type: "unsubscribed", topic: TOPIC, code: "OK" });
    peer.send({ type: "subscribe", topic: TOPIC });
    expect(await peer.json()).toMatchObject({ type: "error", code: "TOPIC_LIMIT" });
    peer.send({ type: "leave_room", roomSlug: "r" });
    peer.send({ type: "subscribe", topic: TOPIC });
    expect(await peer.jsonOfType("subscribed")).toMatchObject({ topic: TOPIC, userCount: 1 });
  });

  test("is answered again when it subscribes, with what it missed", async () => {
    const bob = await node.connect("bob", GRANT);
    const { offset, epoch } = await publish(bob, 1);
    await publish(bob, 2);
    const { peer } = await enter("ada");
    peer.send({ type: "subscribe", topic: TOPIC, recover: { offset, epoch } });
    const answer = await peer.json();
    expect(answer).toMatchObject({ type: "subscribed", topic: TOPIC, recovered: true, offset: 2, userCount: 1 });
    expect(answer["messages"]).toMatchObject([{ data: 2, offset: 2 }]);
    peer.send({ type: "history", topic: TOPIC });
    expect((await peer.json())["messages"]).toMatchObject([{ data: 1 }, { data: 2 }]);
  });

  test("keeps the topic with a new token that allows it, and loses it for good with one that does not", async () => {
    const { peer } = await enter("ada");
    peer.send({ type: "refresh", token: tokenOf("ada") });
    expect(await peer.json()).toMatchObject({
      ...{ type: "auth_refreshed", lost: [], gained: [] },
      kept: ["user:ada", TOPIC],
    });
    peer.send({ type: "auth", token: tokenOf("ada") });
    expect((await peer.json())["topics"]).toMatchObject([{ topic: "user:ada" }, { topic: TOPIC }]);
    peer.send({ type: "refresh", token: tokenOf("ada", {}) });
    expect(await peer.json()).toMatchObject({ type: "unsubscribed", topic: TOPIC, code: "FORBIDDEN" });
    expect(await peer.json()).toMatchObject({ type: "auth_refreshed", lost: [TOPIC], kept: ["user:ada"], gained: [] });
    peer.send({ type: "auth", token: tokenOf("ada", {}) });
    expect((await peer.json())["topics"]).toMatchObject([{ topic: "user:ada" }]);
    peer.send({ type: "publish", topic: TOPIC, event: "token" });
    expect(await peer.json()).toMatchObject({ type: "error", code: "FORBIDDEN" });
  });

  test.each([
    ["without access to that id", { topics: { "conversation:43": ["read"] } }],
    ["with access to write only", { topics: { [TOPIC]: ["write"] } }],
    ["without the permission", { ...GRANT, role: "guest" }],
  ])("closes a user %s 4003 without a frame, and audits the denied topic", async (_what, claims) => {
    const peer = await node.upgraded({
      path: "/ws/conversation/ada/42",
      headers: [bearer(tokenOf("ada", claims))],
    });
    const { code, reason } = await peer.closed();
    expect([code, reason, peer.pendingMessages]).toEqual([4003, "FORBIDDEN", 0]);
    await node.metricIs("tautline_users", (count) => count === 0);
    const audit = await node.auditAfterStop();
    expect(audit).toMatchObject([{ event: "access.denied", topic: TOPIC, userId: "ada", code: "FORBIDDEN" }]);
  });

  test("takes an id with every character that an id may have", async () => {
    const id = "a/b:%61+1";
    const jwt = tokenOf("ada", { topics: { [`conversation:${id}`]: ["read"] } });
    const path = `/ws/conversation/ada/${encodeURIComponent(id)}`;
    const peer = await node.upgraded({ path, headers: [bearer(jwt)] });
    expect((await peer.json())["topics"]).toMatchObject([{}, { topic: `conversation:${id}` }]);
  });
});

describe("the endpoint of a wallet", () => {
  test("receives the wallet of its user, and nothing is announced there", async () => {
    const peer = await node.upgraded({ path: "/api/v1/web3/ws/ada", headers: [bearer(tokenOf("ada"))] });
    expect((await peer.json())["topics"]).toMatchObject([{ topic: "user:ada" }, { topic: "wallet:ada" }]);
    peer.send({ type: "subscribe", topic: "wallet:ada" });
    const answer = await peer.json();
    expect([answer["type"], answer["userCount"]]).toEqual(["subscribed", undefined]);
    peer.send({ type: "publish", topic: "wallet:ada", event: "balance" });
    expect(await peer.json()).toMatchObject({ type: "error", code: "FORBIDDEN" });
  });

  test("closes a user without wallet.read 4003, and audits it", async () => {
    const headers = [bearer(tokenOf("ada", { role: "moderator" }))];
    const peer = await node.upgraded({ path: "/api/v1/web3/ws/ada", headers });
    const { code, reason } = await peer.closed();
    expect([code, reason, peer.pendingMessages]).toEqual([4003, "FORBIDDEN", 0]);
    const audit = await node.auditAfterStop();
    expect(audit).toMatchObject([{ event: "access.denied", topic: "wallet:ada", userId: "ada", code: "FORBIDDEN" }]);
  });
});
