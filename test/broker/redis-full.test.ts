import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Position, Positioned } from "../../src/broker/broker.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { RedisBroker } from "../../src/broker/redis.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { outcome, until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

const BOUNDS = { historySize: 10_000, historyBytes: 100_000_000, historyTtlMs: 60_000 };
const TOPIC = "room:a";

describe.skipIf(REDIS.path === null)(`a full Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let link: RedisLink;
  let broker: RedisBroker;
  let delivered: Positioned[];

  beforeEach(async () => {
    redis = await TestRedis.start();
    const [address] = redisAddresses(redis.url) ?? [];
    if (address === undefined) throw new Error("no address");
    delivered = [];
    link = new RedisLink({ address, clock: systemClock, report: () => undefined });
    broker = new RedisBroker(BOUNDS, {
      ...{ links: [link], clock: systemClock, lose: () => undefined },
      deliver: (_topic, message) => delivered.push(message),
    });
    await link.start();
    await broker.enter([{ topic: TOPIC, since: null }], () => broker.follow(TOPIC));
  });

  afterEach(async () => {
    link.stop();
    await redis.stop();
  });

  function publish(topic: string, messageId: string, padding = ""): Promise<Position> {
    const body = { kind: "event", json: `{"type":"note","data":"${padding}"` } as const;
    return broker.publish({ topic, body, identity: { userId: "ada", messageId, payload: padding } }, true);
  }

  /** Everything that is kept, as it stands there. */
  async function everything(): Promise<unknown[]> {
    const keys = ((await redis.command("KEYS", "*")) as string[]).toSorted();
    return Promise.all(keys.map(async (key) => [key, await redis.command("DUMP", key)]));
  }

  test("takes nothing of a message that it refuses: no offset, no history, no id, and nobody is told", async () => {
    const first = await publish(TOPIC, "m1");
    await until(() => delivered.length === 1);
    const before = await everything();
    await redis.command("CONFIG", "SET", "maxmemory", "1");
    expect(await outcome(() => publish(TOPIC, "m2"))).toBe("PUBLISH_FAILED");
    expect(await outcome(() => publish("room:new", "m1"))).toBe("PUBLISH_FAILED");
    // What was taken before is still known by its id.
    expect(await publish(TOPIC, "m1")).toEqual(first);
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    expect(await everything()).toEqual(before);
    expect((await publish(TOPIC, "m2")).offset).toBe(first.offset + 1);
    await until(() => delivered.length === 2);
    expect(delivered.map(({ offset }) => offset)).toEqual([1, 2]);
  });

  test("that becomes full under way has taken each message as a whole or not at all", async () => {
    const used = /^used_memory:(\d+)/m.exec(String(await redis.command("INFO", "memory")))?.[1];
    await redis.command("CONFIG", "SET", "maxmemory", String(Number(used) + 2_000_000));
    const padding = "x".repeat(20_000);
    const asked = Array.from({ length: 300 }, (_, n) => publish(TOPIC, `m${n}`, padding));
    const taken = (await Promise.allSettled(asked)).flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(taken.length).toBeGreaterThan(10);
    expect(taken.length).toBeLessThan(300);
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    await until(() => delivered.length === taken.length);
    const offsets = taken.map(({ offset }) => offset).toSorted((left, right) => left - right);
    expect(offsets).toEqual(Array.from(taken, (_, n) => n + 1));
    expect(delivered.map(({ offset }) => offset)).toEqual(offsets);
    const { messages } = await broker.history(TOPIC, null, 1_000);
    expect(messages.map(({ offset }) => offset)).toEqual(offsets);
    // Those that were refused leave no id behind: sent again they are new.
    const again = await publish(TOPIC, "m299", padding);
    expect(again.offset).toBe(taken.length + 1);
  });

  test("lets members read on, and is UNAVAILABLE to whoever wants a topic that it would have to begin", async () => {
    await publish(TOPIC, "m1");
    await redis.command("CONFIG", "SET", "maxmemory", "1");
    expect((await broker.history(TOPIC, null, 10)).messages).toHaveLength(1);
    expect(await outcome(() => broker.enter([{ topic: TOPIC, since: null }], () => undefined))).toBe("ok");
    const since = { offset: 0, epoch: "e" };
    expect(await outcome(() => broker.history("room:new", since, 10))).toBe("UNAVAILABLE");
    expect(await outcome(() => broker.position("room:new"))).toBe("UNAVAILABLE");
    expect(await outcome(() => broker.enter([{ topic: "room:new", since: null }], () => undefined))).toBe(
      "UNAVAILABLE",
    );
  });

  test("is UNAVAILABLE for a topic whose keys are something else", async () => {
    await redis.command("SET", "tautline:t:room:b", "poison");
    expect(await outcome(() => broker.history("room:b", null, 10))).toBe("UNAVAILABLE");
    expect(await outcome(() => publish("room:b", "m1"))).toBe("PUBLISH_FAILED");
  });
});
