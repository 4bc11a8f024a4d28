import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { TestNode, token } from "../support/node.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

describe.skipIf(REDIS.path === null)(`two nodes over one Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let a: TestNode;
  let b: TestNode;

  beforeEach(async () => {
    redis = await TestRedis.start();
    const settings = { BROKER_URL: redis.url, API_KEY: "an-api-key-of-thirty-two-characters!" };
    a = await TestNode.start({ ...settings, NODE_ID: "a" });
    b = await TestNode.start({ ...settings, NODE_ID: "b" });
  });

  afterEach(async () => {
    await a.stop();
    await b.stop();
    await redis.stop();
  });

  test("a message reaches the members on both, with one position", async () => {
    const ada = await a.member("ada", "lobby");
    const bob = await b.member("bob", "lobby");
    ada.send({ type: "chat_message", roomSlug: "lobby", message: "hello", messageId: "m1" });
    const [sent, here] = await ada.jsonOfEach("message_sent", "new_message");
    const there = await bob.jsonOfType("new_message");
    expect(there).toEqual(here);
    expect(there).toMatchObject({ offset: sent["offset"], epoch: sent["epoch"], data: { message: "hello" } });
  });

  test("a message that is sent again on the other node is one message", async () => {
    const ada = await a.member("ada", "lobby");
    const again = await b.member("ada", "lobby");
    const frame = { type: "chat_message", roomSlug: "lobby", message: "once", messageId: "m1" };
    ada.send(frame);
    const first = await ada.jsonOfType("message_sent");
    again.send(frame);
    const second = await again.jsonOfType("message_sent");
    expect([second["offset"], second["epoch"]]).toEqual([first["offset"], first["epoch"]]);
  });

  test("a client that comes back on the other node recovers what it missed", async () => {
    const ada = await a.member("ada", "lobby");
    const bob = await a.connect("bob");
    bob.send({ type: "join_room", roomSlug: "lobby" });
    const { offset, epoch } = await bob.jsonOfType("room_joined");
    bob.destroy();
    for (const message of ["1", "2", "3"]) ada.send({ type: "chat_message", roomSlug: "lobby", message });
    for (let n = 0; n < 3; n += 1) await ada.jsonOfType("message_sent");
    const back = await b.connect("bob");
    back.send({ type: "join_room", roomSlug: "lobby", recover: { offset, epoch } });
    const joined = await back.jsonOfType("room_joined");
    expect(joined).toMatchObject({ wasRecovering: true, recovered: true });
    const messages = joined["messages"] as { data: { message: string } }[];
    expect(messages.map(({ data }) => data.message)).toEqual(["1", "2", "3"]);
  });

  test("while Redis is away a node is not ready, lets nobody in, confirms nothing, and keeps its connections", async () => {
    const ada = await a.member("ada", "lobby");
    await redis.kill();
    await until(async () => (await fetch(`${a.url}/ready`)).status === 503);
    const peer = await a.peer();
    const refused = await peer.upgrade({ path: `/ws?token=${token({ sub: "eve" })}` });
    expect([refused.status, refused.headers.has("retry-after")]).toEqual([503, true]);
    ada.send({ type: "chat_message", roomSlug: "lobby", message: "x", messageId: "m1" });
    expect(await ada.jsonOfType("error")).toMatchObject({ code: "PUBLISH_FAILED", messageId: "m1" });
    ada.send({ type: "join_room", roomSlug: "another" });
    expect(await ada.jsonOfType("error")).toMatchObject({ code: "UNAVAILABLE", roomSlug: "another" });
    await redis.start();
    await until(async () => (await fetch(`${a.url}/ready`)).status === 200);
    expect(await ada.jsonOfType("gap")).toMatchObject({ roomSlug: "lobby" });
    ada.send({ type: "chat_message", roomSlug: "lobby", message: "x", messageId: "m1" });
    await ada.jsonOfEach("message_sent", "new_message");
  });
});
