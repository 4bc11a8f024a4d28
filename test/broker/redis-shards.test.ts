import { describe, expect, test } from "bun:test";
import { addressName, redisAddresses } from "../../src/broker/redis/address.ts";
import { shardOf } from "../../src/broker/redis/shards.ts";
import { TestNode } from "../support/node.ts";

const TOPICS = Array.from({ length: 6_000 }, (_, n) => `room:${n}`);

function shards(url: string): { name: string }[] {
  return (redisAddresses(url) ?? []).map((address) => ({ name: addressName(address) }));
}

const THREE = "redis://a,redis://b,redis://c";

describe("topics over several Redis", () => {
  test.each([THREE, "redis-sentinel://s,t#a,redis-sentinel://s,t#b,redis-sentinel://s,t#c"])(
    "are spread evenly: %s",
    (url) => {
      const counts = new Map<string, number>();
      for (const topic of TOPICS) {
        const { name } = shardOf(shards(url), topic);
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      expect(counts.size).toBe(3);
      for (const count of counts.values()) expect(Math.abs(count - 2_000)).toBeLessThan(200);
    },
  );

  test("are in the same place whatever the order of the list", () => {
    for (const topic of TOPICS) {
      expect(shardOf(shards("redis://c,redis://a,redis://b"), topic)).toEqual(shardOf(shards(THREE), topic));
    }
  });

  test("move to one more Redis, and between the others not at all", () => {
    const moved = TOPICS.filter(
      (topic) => shardOf(shards(`${THREE},redis://d`), topic).name !== shardOf(shards(THREE), topic).name,
    );
    expect(new Set(moved.map((topic) => shardOf(shards(`${THREE},redis://d`), topic).name))).toEqual(
      new Set(["d:6379"]),
    );
    expect(Math.abs(moved.length - 1_500)).toBeLessThan(200);
  });
});

test.each([["redis://a,redis://a:6379/1"], ["redis-sentinel://s,t#a,redis-sentinel://s#a"], ["redis://a,redis:b"]])(
  "a node does not start with %s",
  async (url) => {
    const started = TestNode.start({ BROKER_URL: url });
    expect(await started.catch((error: unknown) => error)).toMatchObject({ problems: [{ name: "BROKER_URL" }] });
  },
);
