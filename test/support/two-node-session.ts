import { expect } from "bun:test";
import type { TestNode } from "./node.ts";
import { token } from "./node.ts";

/** What nodes that share a Redis ask of it in a day: everything once, with the two ends on different nodes. */

const TOPIC = { type: "subscribe", topic: "conversation:1" };

export async function wholeSession(a: TestNode, b: TestNode, apiKey: string): Promise<void> {
  const ada = await a.member("ada", "lobby");
  const bob = await b.member("bob", "lobby");
  await ada.jsonOfType("user_joined");
  for (const messageId of ["m1", "m1", "m2"]) {
    const message = `about ${messageId}`;
    ada.send({ type: "chat_message", roomSlug: "lobby", message, messageId });
    await ada.jsonOfType("message_sent");
  }
  const first = await bob.jsonOfType("new_message");
  expect(await bob.jsonOfType("new_message")).toMatchObject({ data: { slug: "m2" }, offset: 2 });
  ada.send({ type: "typing", roomSlug: "lobby", isTyping: true });
  await bob.jsonOfType("typing");
  bob.send({ type: "history", roomSlug: "lobby" });
  expect((await bob.jsonOfType("history"))["messages"]).toHaveLength(2);
  bob.send({ type: "presence", roomSlug: "lobby" });
  expect(await bob.jsonOfType("presence_state")).toMatchObject({ userCount: 2 });
  const back = await b.connect("bob");
  const recover = { offset: 1, epoch: first["epoch"] };
  back.send({ type: "join_room", roomSlug: "lobby", recover });
  expect(await back.jsonOfType("room_joined")).toMatchObject({ recovered: true, offset: 2 });

  await ticketAndOrders(a, b, apiKey);
  ada.close(1000);
  expect(await bob.jsonOfType("user_left")).toMatchObject({ data: { userId: "ada" } });
}

async function ticketAndOrders(a: TestNode, b: TestNode, apiKey: string): Promise<void> {
  const order = async (node: TestNode, method: string, path: string, body?: unknown): Promise<unknown> => {
    const headers = { "X-API-Key": apiKey, "Content-Type": "application/json" };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const response = await node.http(path, init);
    expect([path, response.status]).toEqual([path, 200]);
    return response.json();
  };
  const claims = { jti: "j1", topics: { "conversation:1": ["read", "write"] } };
  const headers = { Authorization: `Bearer ${token({ sub: "eve", ...claims })}` };
  const issued: unknown = await (await a.http("/api/ws/ticket", { method: "POST", headers })).json();
  const eve = await b.upgraded({ path: `/ws?ticket=${Object(issued).ticket}` });
  await eve.jsonOfType("connected");
  eve.send(TOPIC);
  await eve.jsonOfType("subscribed");
  expect(await order(a, "POST", "/api/users/eve/send", { event: "note", data: 1 })).toMatchObject({ delivered: 1 });
  await eve.jsonOfType("note");
  expect(await order(a, "GET", "/api/connections?user=eve")).toMatchObject({ items: [expect.anything()] });
  await order(a, "GET", "/api/topics");
  expect(await order(a, "GET", "/api/topics/room:lobby/presence")).toMatchObject({ userCount: 2 });
  expect(await order(a, "GET", "/api/topics/room:lobby/history")).toMatchObject({ offset: 2 });
  await order(a, "PUT", "/api/users/eve/permissions", { roles: [], permissions: [], topics: {} });
  expect(await eve.jsonOfType("unsubscribed")).toMatchObject({ code: "FORBIDDEN" });
  await order(a, "DELETE", "/api/users/eve/permissions");
  expect(await order(a, "POST", "/api/tokens/revoke", { jti: "j1" })).toEqual({ closed: 1 });
  expect((await eve.closed()).code).toBe(4003);
}
