import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { warnOfEviction } from "../../src/broker/redis/eviction.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

describe.skipIf(REDIS.path === null)(`a Redis that may throw keys away${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  const links: RedisLink[] = [];

  beforeAll(async () => {
    redis = await TestRedis.start();
  });

  afterAll(async () => {
    for (const link of links) link.stop();
    await redis.stop();
  });

  const warningsOf = async (): Promise<{ readonly link: RedisLink; readonly warnings: object[] }> => {
    const [address] = redisAddresses(redis.url) ?? [];
    if (address === undefined) throw new Error("no address");
    const link = new RedisLink({ address, clock: systemClock, report: () => {} });
    const warnings: object[] = [];
    links.push(link);
    warnOfEviction(link, (fields) => warnings.push(fields));
    await link.start();
    return { link, warnings };
  };

  test("is warned of once, however often the connection is made again", async () => {
    await redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    const { link, warnings } = await warningsOf();
    await redis.command("CLIENT", "KILL", "TYPE", "normal");
    await until(() => link.reconnects > 0);
    expect(warnings).toEqual([{ redis: `127.0.0.1:${redis.port}`, policy: "allkeys-lru" }]);
  });

  test("is not warned of where it keeps everything", async () => {
    await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
    const { link, warnings } = await warningsOf();
    expect(link.isUp).toBe(true);
    expect(warnings).toEqual([]);
  });
});
