import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { until } from "../auth/tokens.ts";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** What makes a new connection take long, or of no use yet. */

interface Said {
  readonly up: boolean;
  readonly reason?: string;
}

describe.skipIf(REDIS.path === null)(`the link to a Redis that comes back${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let link: RedisLink;
  let said: Said[];
  const proxies: FaultProxy[] = [];

  const connect = async (port: number): Promise<void> => {
    const [address] = redisAddresses(`redis://127.0.0.1:${port}?prefix=test:`) ?? [];
    if (address === undefined) throw new Error("no address");
    link = new RedisLink({ address, clock: systemClock, report: (change) => said.push(change) });
    await link.start();
  };

  const channelsThere = async (): Promise<unknown[]> => {
    const channels: unknown = await redis.command("PUBSUB", "CHANNELS", "test:*");
    return Array.isArray(channels) ? channels.filter((name) => !String(name).startsWith("test:probe:")) : [];
  };

  beforeEach(() => {
    said = [];
  });

  afterEach(async () => {
    link.stop();
    for (const proxy of proxies.splice(0)) await proxy.stop();
    await redis.stop();
  });

  test("subscribes anew to more channels than it can name in the time of one command", async () => {
    redis = await TestRedis.start();
    const proxy = await FaultProxy.start({ to: { port: redis.port } });
    proxies.push(proxy);
    await connect(proxy.port);
    const count = 10 * 512;
    const names = Array.from({ length: count }, (_, n) => `test:${n}`);
    await Promise.all(names.map((name) => link.subscribe(name, () => undefined)));
    // The answers to ten commands, one behind the other, take longer than two seconds.
    proxy.delay(250, 0, { direction: "toClient" });
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until(() => link.reconnects === 1);
    expect(await channelsThere()).toHaveLength(count);
    expect(said.filter(({ up }) => !up)).toHaveLength(1);
  }, 30_000);

  test("brings what was wanted while it came back, and not what was given up meanwhile", async () => {
    redis = await TestRedis.start();
    const proxy = await FaultProxy.start({ to: { port: redis.port } });
    proxies.push(proxy);
    await connect(proxy.port);
    for (const name of ["kept", "given-up"]) await link.subscribe(`test:${name}`, () => undefined);
    proxy.delay(200, 0, { direction: "toClient" });
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    // Redis knows both, and the node has no answer yet.
    await until(() => !link.isUp);
    await until(async () => (await channelsThere()).length === 2);
    link.unsubscribe("test:given-up");
    const heard: string[] = [];
    await link.subscribe("test:late", (message) => heard.push(message));
    await until(() => link.isUp);
    await until(async () => (await channelsThere()).length === 2);
    expect((await channelsThere()).map(String).toSorted()).toEqual(["test:kept", "test:late"]);
    await redis.command("PUBLISH", "test:late", "x");
    await until(() => heard.length === 1);
  });

  test("stays away until Redis has read its files, without coming and going", async () => {
    // Ten milliseconds for each key, and a look at its connections for each kilobyte.
    redis = await TestRedis.start(["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"]);
    await redis.command(
      "EVAL",
      "for n = 1, 300 do redis.call('SET', 'k' .. n, string.rep(n % 10, 2000) .. math.random()) end",
      "0",
    );
    await redis.command("CONFIG", "SET", "rdbcompression", "no");
    await redis.command("SAVE");
    await connect(redis.port);
    await redis.kill();
    await until(() => !link.isUp);
    const before = said.length;
    const starting = redis.start();
    await until(() => link.isUp);
    expect(await link.command(["GET", "no-such-key"])).toBeNull();
    await starting;
    const after = said.slice(before);
    expect(after.some(({ reason }) => reason === "LOADING")).toBe(true);
    expect(after.filter(({ up }) => up)).toHaveLength(1);
    expect(after.length).toBeLessThan(25);
  }, 30_000);
});
