import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { RedisBroker } from "../../src/broker/redis.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { age } from "../support/redis-age.ts";

const TOPIC = "room:a";
const META = `tautline:t:${TOPIC}`;
const STREAM = `tautline:s:${TOPIC}`;
const BOUNDS = { historySize: 16, historyBytes: 4_096, historyTtlMs: 60_000 };

describe.skipIf(REDIS.path === null)(`what a message costs Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let link: RedisLink;
  let broker: RedisBroker;
  let serial = 0;

  beforeAll(async () => {
    redis = await TestRedis.start();
    const [address] = redisAddresses(redis.url) ?? [];
    if (address === undefined) throw new Error("no address");
    link = new RedisLink({ address, clock: systemClock, report: () => {} });
    broker = new RedisBroker(BOUNDS, { links: [link], clock: systemClock, deliver: () => {}, lose: () => {} });
    await link.start();
  });

  afterAll(async () => {
    link.stop();
    await redis.stop();
  });

  beforeEach(async () => {
    await redis.command("FLUSHALL");
  });

  const publish = (text = "x") => {
    serial += 1;
    const body = { kind: "event", json: `{"type":"note","data":"${text}"` } as const;
    const identity = { userId: "ada", messageId: `m${serial}`, payload: text };
    return broker.publish({ topic: TOPIC, body, identity }, true);
  };

  const calls = async (name: string): Promise<number> => {
    const info = String(await redis.command("INFO", "commandstats"));
    return Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, "m").exec(info)?.[1] ?? 0);
  };

  test("a message is one command, and the ends of its topic are not put off with each of them", async () => {
    await publish();
    await redis.command("CONFIG", "RESETSTAT");
    // Of a clock that stood still, so that no second passes meanwhile.
    await redis.command("HSET", META, "renewed", String(Date.now() + 500));
    for (let n = 0; n < 10; n += 1) await publish();
    expect(await calls("evalsha")).toBe(10);
    expect(await calls("publish")).toBeGreaterThanOrEqual(10);
    expect(await calls("pexpire")).toBeLessThanOrEqual(2);
  });

  test("a message that comes later puts off both ends by their whole lives", async () => {
    await publish();
    await age(redis, 40_000);
    await publish();
    expect(Number(await redis.command("PTTL", STREAM))).toBeGreaterThan(BOUNDS.historyTtlMs - 1_000);
    expect(Number(await redis.command("PTTL", META))).toBeGreaterThan(3_600_000 - 1_000);
  });

  test("a history that begins again has an end at once, although its topic was put off just now", async () => {
    await publish();
    await redis.command("DEL", STREAM);
    await publish();
    expect(Number(await redis.command("PTTL", STREAM))).toBeGreaterThan(0);
  });

  test("a Redis whose clock was put back puts off the ends all the same", async () => {
    await publish();
    await redis.command("HSET", META, "renewed", String(Date.now() + 3_600_000));
    await redis.command("PEXPIRE", META, "5000");
    await publish();
    expect(Number(await redis.command("PTTL", META))).toBeGreaterThan(5_000);
  });

  test("messages of any size leave a history within both bounds", async () => {
    for (const bytes of [10, 1_000, 10, 3_000, 10, 10, 5_000, 10]) {
      for (let n = 0; n < 20; n += 1) await publish("x".repeat(bytes));
      const { messages, offset } = await broker.history(TOPIC, null, 100);
      const held = messages.reduce((sum, { body }) => sum + body.json.length, 0);
      expect(messages.at(-1)?.offset).toBe(offset);
      expect(messages.length === 1 || held <= BOUNDS.historyBytes).toBe(true);
      expect(Number(await redis.command("XLEN", STREAM))).toBeLessThanOrEqual(BOUNDS.historySize * 1.125);
    }
  });

  test("a history that is far beyond a bound that was lowered is cut off by several messages, and nobody reads what is too much", async () => {
    const more = { ...BOUNDS, historySize: 10_000, historyBytes: 1_048_576 };
    const before = new RedisBroker(more, { links: [link], clock: systemClock, deliver: () => {}, lose: () => {} });
    const sent = Array.from({ length: 3_000 }, () => ({ kind: "event", json: '{"type":"note","data":1' }) as const);
    await Promise.all(sent.map((body) => before.publish({ topic: TOPIC, body, identity: null }, true)));
    const lengths: number[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { offset, epoch } = await publish();
      lengths.push(Number(await redis.command("XLEN", STREAM)));
      expect((await broker.history(TOPIC, null, 10_000)).messages.map((each) => each.offset)).toEqual(
        Array.from({ length: BOUNDS.historySize }, (_, index) => offset - BOUNDS.historySize + 1 + index),
      );
      const tooFar = { offset: offset - BOUNDS.historySize - 1, epoch };
      expect((await broker.history(TOPIC, tooFar, 10_000)).recovered).toBe(false);
    }
    // 1,024 by each.
    expect(lengths).toEqual([1_977, 954, BOUNDS.historySize]);
  });

  test("an entry that no node wrote, with nothing in it, stops neither messages nor histories", async () => {
    await publish();
    await redis.command("XADD", STREAM, "2-0", "k", "e");
    await redis.command("HSET", META, "offset", "2");
    for (let n = 0; n < 40; n += 1) await publish();
    const { messages } = await broker.history(TOPIC, null, 100);
    expect(messages).toHaveLength(BOUNDS.historySize);
  });

  test("an entry that no node wrote leaves a history without it", async () => {
    await publish();
    await redis.command("XADD", STREAM, "2-0", "k", "e");
    await redis.command("HSET", META, "offset", "2");
    await publish();
    const { messages } = await broker.history(TOPIC, null, 100);
    expect(messages.at(-1)?.offset).toBe(3);
  });
});
