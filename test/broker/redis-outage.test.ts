import { afterEach, describe, expect, test } from "bun:test";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { until } from "../auth/tokens.ts";
import { Follower } from "../support/redis-follower.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

const TOPIC = "room:a";

async function codeOf(work: Promise<unknown>): Promise<string> {
  const failure: unknown = await work.then(
    () => "none",
    (error: unknown) => error,
  );
  return failure instanceof ProtocolError ? failure.code : String(failure);
}

describe.skipIf(REDIS.path === null)(`a Redis in trouble${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let here: Follower;
  let there: Follower;

  const begin = async (options: readonly string[] = []) => {
    redis = await TestRedis.start(options);
    here = await Follower.start(redis.url, TOPIC);
    there = await Follower.start(redis.url, TOPIC);
  };

  afterEach(async () => {
    here.stop();
    there.stop();
    await redis.stop();
  });

  test("that is away takes no message, and says so", async () => {
    await begin();
    await redis.kill();
    expect(await codeOf(here.publish("x"))).toBe("PUBLISH_FAILED");
    await until(() => !here.broker.ready);
    const since = { offset: 0, epoch: "x" };
    expect(await codeOf(here.broker.history(TOPIC, since, 10))).toBe("UNAVAILABLE");
    expect(
      await codeOf(here.broker.enter([{ topic: "room:new", since: null }], () => undefined) as Promise<void>),
    ).toBe("UNAVAILABLE");
  });

  test("that was restarted with its data goes on in another epoch, and everybody is told of the hole that may be", async () => {
    await begin(["--appendonly", "yes", "--appendfsync", "always"]);
    const before = await here.publish("before");
    await until(() => there.delivered.length === 1);
    await redis.kill();
    await redis.start();
    await until(() => here.broker.ready && there.broker.ready);
    await until(() => here.lost.length === 1 && there.lost.length === 1);
    const after = await here.publish("after");
    expect(after.offset).toBe(before.offset + 1);
    expect(after.epoch).not.toBe(before.epoch);
    expect(there.lost[0]).toEqual({ offset: before.offset, epoch: after.epoch });
    await until(() => there.texts.at(-1) === "after" && here.texts.at(-1) === "after");
    expect(await here.broker.history(TOPIC, before, 10)).toMatchObject({ recovered: false, messages: [] });
    expect((await here.broker.history(TOPIC, null, 10)).messages).toHaveLength(2);
  });

  test("that was restarted empty never uses an offset again within an epoch", async () => {
    await begin();
    const before = await here.publish("before");
    await redis.kill();
    await redis.start();
    await until(() => here.broker.ready && there.broker.ready && there.lost.length === 1);
    const after = await here.publish("after");
    expect(after.offset).toBe(1);
    expect(after.epoch).not.toBe(before.epoch);
    await until(() => there.texts.at(-1) === "after");
  });

  test("that was flushed under way begins another epoch, and members are told before the first message of it", async () => {
    await begin();
    await here.publish("before");
    await until(() => there.delivered.length === 1);
    await redis.command("FLUSHALL");
    const after = await here.publish("after");
    expect(after.offset).toBe(1);
    await until(() => there.texts.at(-1) === "after");
    expect(there.lost).toEqual([{ offset: 0, epoch: after.epoch }]);
  });

  test("that has lost only where a topic stands takes messages again, whoever asks for the topic first", async () => {
    await begin();
    const before = await here.publish("before");
    await until(() => there.delivered.length === 1);
    await redis.command("DEL", `tautline:t:${TOPIC}`);
    const asked = await here.broker.history(TOPIC, null, 10);
    expect(asked).toMatchObject({ offset: 0, messages: [] });
    const after = await here.publish("after");
    expect(after).toEqual({ offset: 1, epoch: asked.epoch });
    expect(after.epoch).not.toBe(before.epoch);
    await until(() => there.texts.at(-1) === "after");
    expect(there.lost).toEqual([{ offset: 0, epoch: after.epoch }]);
  });

  test("that hangs fails what was asked within its time, and nothing is lost when it goes on", async () => {
    await begin();
    await here.publish("before");
    redis.pause();
    expect(await codeOf(here.publish("hangs"))).toBe("PUBLISH_FAILED");
    redis.resume();
    await until(() => here.broker.ready && there.broker.ready);
    await here.publish("after");
    await until(() => there.texts.at(-1) === "after" && here.texts.at(-1) === "after");
    // What was not acknowledged may have been taken or not, but the same everywhere.
    expect(there.texts).toEqual(here.texts);
    expect(there.lost).toEqual([]);
  });

  test("that ends the subscriptions of a node brings it what was published meanwhile, once and in order", async () => {
    await begin();
    for (let round = 0; round < 3; round += 1) {
      const sending = (async () => {
        for (let n = 0; n < 50; n += 1) await here.publish(`${round}.${n}`);
      })();
      await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      await sending;
      await until(() => here.broker.ready && there.broker.ready);
    }
    const all = Array.from({ length: 150 }, (_, n) => `${Math.floor(n / 50)}.${n % 50}`);
    await until(() => there.delivered.length >= 150 && here.delivered.length >= 150);
    expect(there.texts).toEqual(all);
    expect(here.texts).toEqual(all);
    expect([here.lost, there.lost]).toEqual([[], []]);
  });

  test("whose bus lost messages that nobody keeps tells of the hole, and goes on behind it", async () => {
    await begin();
    await here.publish("1", false);
    await until(() => there.delivered.length === 1);
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await Promise.all([here.publish("2", false), here.publish("3", false)]);
    await until(() => here.broker.ready && there.broker.ready);
    await until(() => there.lost.length > 0 || there.delivered.length === 3);
    await here.publish("4", false);
    await until(() => there.texts.at(-1) === "4");
    const seen = new Set(there.delivered.map(({ offset }) => offset));
    const covered = (offset: number) => seen.has(offset) || there.lost.some((hole) => hole.offset >= offset);
    expect([1, 2, 3, 4].filter((offset) => !covered(offset))).toEqual([]);
  });

  test("that is full takes no message and goes on serving what it has", async () => {
    await begin();
    const first = await here.publish("before");
    await redis.command("CONFIG", "SET", "maxmemory", "1");
    expect(await codeOf(here.publish("x"))).toBe("PUBLISH_FAILED");
    expect((await here.broker.history(TOPIC, null, 10)).messages).toHaveLength(1);
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    expect((await here.publish("after")).offset).toBe(first.offset + 1);
  });

  test("that somebody else writes to brings nothing of that to anybody", async () => {
    await begin();
    await here.publish("before");
    const channel = `tautline:b:${TOPIC}`;
    const epoch = (await here.broker.position(TOPIC)).epoch;
    for (const garbage of [
      "",
      "null",
      '{"__proto__":{}}',
      `9e2 ${epoch}\n{"type":"note"`,
      `1e2 ${epoch}\n{"type":"auth_success"`,
      `1e2 ${epoch}\nnot json`,
      `1e-2 ${epoch}\n{"type":"note"`,
      `1e9007199254740993 ${epoch}\n{"type":"note"`,
      "x".repeat(10_000_000),
    ]) {
      await redis.command("PUBLISH", channel, garbage);
    }
    await here.publish("after");
    await until(() => there.texts.at(-1) === "after");
    expect(there.texts).toEqual(["before", "after"]);
    expect(there.broker.foreignMessages).toBeGreaterThan(5);
  });

  test("with an entry in a stream that no node wrote hands out the others", async () => {
    await begin();
    await here.publish("before");
    await redis.command("XADD", `tautline:s:${TOPIC}`, "2-0", "k", "e", "b", "poison", "t", String(Date.now()));
    await redis.command("HSET", `tautline:t:${TOPIC}`, "offset", "2");
    await here.publish("after");
    const { messages } = await here.broker.history(TOPIC, null, 10);
    expect(messages.map(({ offset }) => offset)).toEqual([1, 3]);
    await until(() => there.texts.at(-1) === "after");
    expect(there.lost).toMatchObject([{ offset: 2 }]);
    expect(await here.broker.history(TOPIC, { offset: 1, epoch: there.lost[0]?.epoch ?? "" }, 10)).toMatchObject({
      ...{ recovered: false, messages: [] },
    });
  });

  test("with an entry in a stream that is longer than any node writes gives it to nobody", async () => {
    await begin();
    const before = await here.publish("before");
    const long = `{"type":"note","data":"${"x".repeat(1_100_000)}"`;
    await redis.command("XADD", `tautline:s:${TOPIC}`, "2-0", "k", "e", "b", long, "t", String(Date.now()));
    await redis.command("HSET", `tautline:t:${TOPIC}`, "offset", "2");
    expect(await here.broker.history(TOPIC, before, 10)).toMatchObject({ recovered: false, messages: [] });
    expect(here.broker.foreignEntries).toBe(1);
    await here.publish("after");
    await until(() => there.texts.at(-1) === "after");
    expect(there.texts).toEqual(["before", "after"]);
  });

  test("keeps nothing without an end", async () => {
    await begin();
    await here.broker.publish(
      {
        topic: TOPIC,
        body: { kind: "event", json: '{"type":"note"' },
        identity: { userId: "a", messageId: "m", payload: "" },
      },
      true,
    );
    await here.broker.position("room:never-written");
    const keys = (await redis.command("KEYS", "*")) as string[];
    expect(keys.length).toBeGreaterThanOrEqual(4);
    for (const key of keys) {
      expect(key.startsWith("tautline:")).toBe(true);
      expect(Number(await redis.command("PTTL", key))).toBeGreaterThan(0);
    }
  });
});
