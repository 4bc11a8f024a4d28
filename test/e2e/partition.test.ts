import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { answer, inbox } from "../support/inbox.ts";
import { TestNode } from "../support/node.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** A node that runs, and is cut off from Redis for longer than a lease. */

const TIMES = { nodeTimes: { renewMs: 50, leaseMs: 1_000 } };
const LOBBY = { roomSlug: "lobby" };

describe.skipIf(REDIS.path === null)(`a node that is cut off from Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let proxy: FaultProxy;
  let here: TestNode;
  let apart: TestNode;

  beforeEach(async () => {
    redis = await TestRedis.start();
    proxy = await FaultProxy.start({ to: { port: redis.port } });
    here = await TestNode.start({ BROKER_URL: redis.url, NODE_ID: "here" }, TIMES);
    apart = await TestNode.start({ BROKER_URL: `redis://127.0.0.1:${proxy.port}`, NODE_ID: "apart" }, TIMES);
  });

  afterEach(async () => {
    proxy.heal();
    for (const node of [apart, here]) await node.stop();
    await proxy.stop();
    await redis.stop();
  });

  const status = async (node: TestNode): Promise<number> => (await fetch(`${node.url}/ready`)).status;

  test("confirms nothing and is not ready; its users leave elsewhere and come back, and it makes up for what it missed", async () => {
    const ada = await here.member("ada", "lobby");
    const bob = await apart.member("bob", "lobby");
    expect(await ada.jsonOfType("user_joined")).toMatchObject({ data: { userId: "bob" } });
    proxy.blackhole();
    await until(async () => (await status(apart)) === 503);
    bob.send({ type: "chat_message", ...LOBBY, message: "x", messageId: "m1" });
    expect(await bob.jsonOfType("error")).toMatchObject({ code: "PUBLISH_FAILED", messageId: "m1" });
    expect(await ada.jsonOfType("user_left")).toMatchObject({ data: { userId: "bob" } });
    expect(await status(here)).toBe(200);
    ada.send({ type: "chat_message", ...LOBBY, message: "missed", messageId: "m2" });
    await ada.jsonOfEach("message_sent", "new_message");
    expect(await answer(ada, { type: "presence", ...LOBBY })).toMatchObject({ userCount: 1 });

    proxy.heal();
    await until(async () => (await status(apart)) === 200);
    expect(await bob.jsonOfType("new_message")).toMatchObject({ data: { message: "missed" } });
    expect(await ada.jsonOfType("user_joined")).toMatchObject({ data: { userId: "bob" } });
    bob.send({ type: "chat_message", ...LOBBY, message: "x", messageId: "m1" });
    await bob.jsonOfEach("message_sent", "new_message");
    expect(await ada.jsonOfType("new_message")).toMatchObject({ data: { slug: "m1" } });
    for (const member of [ada, bob]) {
      expect(await answer(member, { type: "presence", ...LOBBY })).toMatchObject({ userCount: 2 });
      const changes = (await inbox(member)).filter(({ type }) => type === "user_joined" || type === "user_left");
      expect(changes).toEqual([]);
    }
  }, 40_000);
});
