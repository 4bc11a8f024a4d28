import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Position, Positioned } from "../../src/broker/broker.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { MAX_PENDING, MAX_PENDING_LENGTH } from "../../src/broker/redis/publish-queue.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { RedisBroker } from "../../src/broker/redis.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { outcome, until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

const BOUNDS = { historySize: 100_000, historyBytes: 100_000_000, historyTtlMs: 60_000 };
const TOPIC = "room:a";
const MAX_IN_FLIGHT = 20_000;

describe.skipIf(REDIS.path === null)(`a crowd in front of a Redis that hangs${REDIS.skipReason}`, () => {
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

  function publish(n: number, length = 0): Promise<Position> {
    const body = { kind: "event", json: `{"type":"note","data":${n}`.padEnd(length) } as const;
    return broker.publish({ topic: TOPIC, body, identity: { userId: "u", messageId: `m${n}`, payload: "" } }, true);
  }

  /** A part after the other, as clients come back. */
  async function publishAgain(ids: readonly number[]): Promise<Position[]> {
    const taken: Position[] = [];
    for (let from = 0; from < ids.length; from += 500) {
      taken.push(...(await Promise.all(ids.slice(from, from + 500).map(publish))));
    }
    return taken;
  }

  const textsOf = (messages: readonly Positioned[]): string[] => messages.map(({ body }) => body.json);

  test("of 10,000 messages gets no confirmation, and each is one message when it is sent again", async () => {
    const ids = Array.from({ length: 10_000 }, (_, n) => n);
    redis.pause();
    const outcomes = await Promise.all(ids.map((n) => outcome(() => publish(n))));
    expect(new Set(outcomes)).toEqual(new Set(["PUBLISH_FAILED"]));
    expect(link.inFlight).toBe(0);
    redis.resume();
    await until(() => broker.ready);
    const first = await publishAgain(ids);
    const second = await publishAgain(ids);
    expect(second).toEqual(first);
    expect(new Set(first.map(({ offset }) => offset)).size).toBe(10_000);
    await until(() => delivered.length >= 10_000);
    // What the broken connection had sent may have been taken: nobody gets it twice for that.
    expect(new Set(textsOf(delivered)).size).toBe(delivered.length);
    expect(delivered.map(({ offset }) => offset)).toEqual(ids.map((n) => n + 1));
  }, 30_000);

  test("of 10,000 who join leaves nothing behind, each with an answer", async () => {
    redis.pause();
    const joins = Array.from({ length: 10_000 }, (_, n) =>
      outcome(() => broker.enter([{ topic: `room:${n}`, since: null }], () => undefined)),
    );
    expect(new Set(await Promise.all(joins))).toEqual(new Set(["UNAVAILABLE"]));
    expect(broker.held).toEqual({ positions: 1 });
    redis.resume();
    await until(() => broker.ready);
    expect(await outcome(() => broker.enter([{ topic: "room:1", since: null }], () => undefined))).toBe("ok");
  }, 30_000);

  test("has room for 20,000 messages: whoever comes then is refused at once", async () => {
    redis.pause();
    const waiting = Array.from({ length: MAX_PENDING }, (_, n) => outcome(() => publish(n)));
    const { inFlight } = link;
    expect(inFlight).toBeGreaterThan(0);
    expect(await outcome(() => publish(MAX_PENDING))).toBe("PUBLISH_FAILED");
    expect(link.inFlight).toBe(inFlight);
    await Promise.all(waiting);
    redis.resume();
    await until(() => link.isUp);
    expect(await outcome(() => publish(MAX_PENDING))).toBe("ok");
  }, 30_000);

  test("has room for 64 MiB of messages: whoever comes then is refused at once", async () => {
    redis.pause();
    const length = 65_536;
    const waiting = Array.from({ length: MAX_PENDING_LENGTH / length }, (_, n) => outcome(() => publish(n, length)));
    const { inFlight } = link;
    expect(await outcome(() => publish(-1))).toBe("PUBLISH_FAILED");
    expect(link.inFlight).toBe(inFlight);
    await Promise.all(waiting);
    redis.resume();
    await until(() => link.isUp);
    expect(await outcome(() => publish(-1))).toBe("ok");
  }, 30_000);

  test("has room for 20,000 commands: whoever comes then is refused at once", async () => {
    redis.pause();
    const ask = (): Promise<string> => outcome(() => broker.history(TOPIC, null, 0));
    const waiting = Array.from({ length: MAX_IN_FLIGHT }, ask);
    expect(link.inFlight).toBe(MAX_IN_FLIGHT);
    expect(await ask()).toBe("UNAVAILABLE");
    expect(link.inFlight).toBe(MAX_IN_FLIGHT);
    await Promise.all(waiting);
    redis.resume();
  }, 30_000);
});
