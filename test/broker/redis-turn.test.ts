import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Position } from "../../src/broker/broker.ts";
import { RedisBroker } from "../../src/broker/redis.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { outcome, until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { age } from "../support/redis-age.ts";

const BOUNDS = { historySize: 100, historyBytes: 1_048_576, historyTtlMs: 60_000 };

describe.skipIf(REDIS.path === null)(`messages of one turn${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let link: RedisLink;
  let broker: RedisBroker;
  let reasons: (string | undefined)[] = [];

  beforeAll(async () => {
    redis = await TestRedis.start();
    const [address] = redisAddresses(redis.url) ?? [];
    if (address === undefined) throw new Error("no address");
    link = new RedisLink({ address, clock: systemClock, report: ({ reason }) => reasons.push(reason) });
    broker = new RedisBroker(BOUNDS, { links: [link], clock: systemClock, deliver: () => {}, lose: () => {} });
    await link.start();
  });

  afterAll(async () => {
    link.stop();
    await redis.stop();
  });

  beforeEach(async () => {
    await redis.command("FLUSHALL");
    await redis.command("CONFIG", "RESETSTAT");
  });

  function publish(topic: string, messageId: string, text = messageId, keeps = true): Promise<Position> {
    const body = { kind: "event", json: `{"type":"note","data":"${text}"` } as const;
    return broker.publish({ topic, body, identity: { userId: "ada", messageId, payload: text } }, keeps);
  }

  const scripts = (): Promise<number> => callsOf("evalsha");

  async function callsOf(command: string): Promise<number> {
    const info = String(await redis.command("INFO", "commandstats"));
    return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(info)?.[1] ?? 0);
  }

  test("are few scripts, and each gets its own place in the order in which they were sent", async () => {
    await publish("room:0", "before");
    const before = await scripts();
    const ids = Array.from({ length: 97 }, (_, n) => n);
    const positions = await Promise.all(ids.map((n) => publish(`room:${n % 3}`, `m${n}`)));
    for (const room of [0, 1, 2]) {
      const first = room === 0 ? 2 : 1;
      const offsets = positions.filter((_, n) => n % 3 === room).map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.map((_, index) => first + index));
      const { messages } = await broker.history(`room:${room}`, null, 100);
      const texts = messages.map(({ body }) => /"data":"(\w+)"/.exec(body.json)?.[1]);
      const sent = ids.filter((n) => n % 3 === room).map((n) => `m${n}`);
      expect(texts).toEqual(room === 0 ? ["before", ...sent] : sent);
    }
    // The first alone, then 32 at a time; and three reads.
    expect((await scripts()) - before).toBe(4 + 3);
  });

  test("with one id are one message, and another text under it is refused alone", async () => {
    const [first, again, other, next] = await Promise.all([
      publish("room:a", "m1"),
      publish("room:a", "m1"),
      outcome(() => publish("room:a", "m1", "another")),
      publish("room:a", "m2"),
    ]);
    expect(again).toEqual(first);
    expect(other).toBe("MESSAGE_ID_REUSED");
    expect(next.offset).toBe(first.offset + 1);
  });

  test("fail alone where a key of their topic is none of ours", async () => {
    await redis.command("SET", "tautline:t:room:b", "text");
    await redis.command("SET", "tautline:s:room:c", "text");
    const outcomes = await Promise.all(
      ["room:a", "room:b", "room:c", "room:d", "room:a"].map((topic, n) => outcome(() => publish(topic, `m${n}`))),
    );
    expect(outcomes).toEqual(["ok", "PUBLISH_FAILED", "ok", "ok", "ok"]);
    expect((await broker.history("room:a", null, 100)).offset).toBe(2);
  });

  test("that are kept have their time although others that are not came in between", async () => {
    await publish("room:a", "kept");
    await age(redis, 30_000);
    await publish("room:a", "gone", "gone", false);
    await publish("room:a", "kept too");
    expect(Number(await redis.command("PTTL", "tautline:s:room:a"))).toBeGreaterThan(BOUNDS.historyTtlMs - 1_000);
  });

  test("are told in full to a Redis that has forgotten the script", async () => {
    await publish("room:a", "m0");
    await redis.command("SCRIPT", "FLUSH");
    const positions = await Promise.all([1, 2, 3].map((n) => publish("room:a", `m${n}`)));
    expect(positions.map(({ offset }) => offset)).toEqual([2, 3, 4]);
  });

  test("go to a Redis that has just started as a script that it knows, so that none overtakes another", async () => {
    await redis.kill();
    await until(() => !link.isUp);
    await redis.start();
    await until(() => link.isUp);
    const positions = await Promise.all([1, 2, 3].map((n) => publish("room:a", `m${n}`)));
    expect(positions.map(({ offset }) => offset)).toEqual([1, 2, 3]);
    expect(await callsOf("eval")).toBe(0);
  });

  test("go to a Redis that lets nobody load scripts", async () => {
    await redis.command("ACL", "SETUSER", "default", "-script|load");
    await redis.command("SCRIPT", "FLUSH");
    const { reconnects } = link;
    await redis.command("CLIENT", "KILL", "TYPE", "normal");
    await until(() => link.reconnects > reconnects);
    const positions = await Promise.all([1, 2, 3].map((n) => publish("room:a", `m${n}`)));
    expect(positions.map(({ offset }) => offset)).toEqual([1, 2, 3]);
    await redis.command("ACL", "SETUSER", "default", "+script|load");
  });

  test("that a replica refuses all make the node look for the master, and none of them is taken", async () => {
    await publish("room:a", "m0");
    reasons = [];
    await redis.command("REPLICAOF", "127.0.0.1", "1");
    const outcomes = await Promise.all([1, 2, 3].map((n) => outcome(() => publish("room:a", `m${n}`))));
    expect(outcomes).toEqual(["PUBLISH_FAILED", "PUBLISH_FAILED", "PUBLISH_FAILED"]);
    await until(() => !link.isUp);
    expect(reasons[0]).toBe("READONLY");
    await redis.command("REPLICAOF", "NO", "ONE");
    await until(() => link.isUp);
    expect((await publish("room:a", "m4")).offset).toBe(2);
  });
});
