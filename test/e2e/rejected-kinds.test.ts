import { afterEach, beforeEach, expect, test, describe } from "bun:test";
import { TestNode } from "../support/node.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** Whatever else can write to Redis: each kind of what is skipped is counted under its own name. */

describe.skipIf(REDIS.path === null)(`what no node has written${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let node: TestNode;

  beforeEach(async () => {
    redis = await TestRedis.start();
    node = await TestNode.start({ BROKER_URL: redis.url });
  });

  afterEach(async () => {
    await node.stop();
    await redis.stop();
  });

  const POISON: readonly (readonly [kind: string, commands: readonly (readonly string[])[]])[] = [
    ["message", [["PUBLISH", "tautline:b:room:r", "poison"]]],
    [
      "stream",
      [
        ["XADD", "tautline:s:room:r", "2-0", "k", "e", "b", "poison", "t", String(Date.now())],
        ["HSET", "tautline:t:room:r", "offset", "2"],
      ],
    ],
    ["presence", [["PUBLISH", "tautline:pc:room:r", "poison"]]],
    ["node", [["PUBLISH", "tautline:nodes:changes", "poison"]]],
    [
      "register",
      [
        ["HSET", "tautline:revocations:data", "poison", "poison"],
        ["HSET", "tautline:revocations:meta", "epoch", "x", "seq", "9"],
        ["ZADD", "tautline:revocations:order", "9", "poison"],
        ["PUBLISH", "tautline:revocations", "9"],
      ],
    ],
    ["oversized", [["PUBLISH", "tautline:b:room:r", "x".repeat(1_100_000)]]],
  ];

  test.each(POISON)("of the kind %s is skipped and counted as that", async (kind, commands) => {
    const ada = await node.member("ada", "r");
    ada.send({ type: "chat_message", roomSlug: "r", message: "before" });
    await ada.jsonOfType("message_sent");
    for (const command of commands) await redis.command(...command);
    ada.send({ type: "history", roomSlug: "r", id: "h" });
    expect(await ada.jsonOfType("history")).toMatchObject({ messages: [{ data: { message: "before" } }] });
    await node.metricIs(`tautline_bus_rejected_total{kind="${kind}"}`, (count) => count === 1);
    const counted = [...(await node.metrics())].filter(([name]) => name.startsWith("tautline_bus_rejected_total"));
    expect(counted.filter(([, count]) => count > 0)).toHaveLength(1);
    expect(counted).toHaveLength(6);
  });
});
