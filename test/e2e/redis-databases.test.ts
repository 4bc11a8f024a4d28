import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { answer, inbox } from "../support/inbox.ts";
import { TestNode } from "../support/node.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** Two applications over one Redis, which has one set of channels for all its databases. */

const API_KEY = "an-api-key-of-thirty-two-characters!";
const ROOM = { roomSlug: "lobby" };

describe.skipIf(REDIS.path === null)(`two applications over one Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  const nodes: TestNode[] = [];

  beforeEach(async () => {
    redis = await TestRedis.start();
  });

  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
    await redis.stop();
  });

  const start = async (where: string): Promise<TestNode> => {
    const node = await TestNode.start({ BROKER_URL: `${redis.url}${where}`, API_KEY });
    nodes.push(node);
    return node;
  };

  const order = async (node: TestNode, path: string, body: unknown): Promise<unknown> => {
    const headers = { "X-API-Key": API_KEY, "Content-Type": "application/json" };
    return (await node.http(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  };

  const channels = async (): Promise<string[]> => {
    const names: unknown = await redis.command("PUBSUB", "CHANNELS", "*");
    return Array.isArray(names) ? names.map(String) : [];
  };

  test.each([
    ["databases", "/0", "/1"],
    ["prefixes", "?prefix=one:", "?prefix=two:"],
  ])(
    "with %s of their own hear nothing of each other, and do nothing to each other's users",
    async (_what, first, second) => {
      const one = await start(first);
      const before = await channels();
      const two = await start(second);
      const [ada, other] = [await one.member("ada", "lobby"), await two.member("ada", "lobby")];
      const eve = await two.member("eve", "lobby");
      eve.send({ type: "chat_message", ...ROOM, message: "x", messageId: "m1" });
      await eve.jsonOfType("message_sent");
      expect(await order(two, "/api/users/ada/send", { event: "news" })).toMatchObject({ delivered: 1 });
      expect(await order(two, "/api/users/ada/disconnect", {})).toEqual({ closed: 1 });
      await other.closed();

      expect(await answer(ada, { type: "presence", ...ROOM })).toMatchObject({ userCount: 1 });
      const heard = (await inbox(ada)).map(({ type }) => type);
      expect(heard.filter((type) => type !== "pong")).toEqual([]);
      expect((await channels()).filter((name) => before.includes(name)).toSorted()).toEqual(before.toSorted());
      const subscribers: unknown = await redis.command("PUBSUB", "NUMSUB", ...(await channels()));
      const counts = Array.isArray(subscribers) ? subscribers.filter((_, at) => at % 2 === 1).map(Number) : [];
      expect(Math.max(...counts)).toBe(1);
    },
  );
});
