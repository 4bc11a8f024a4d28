import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { RedisHub } from "../support/redis-hub.ts";
import { RedisMonitor } from "../support/redis-monitor.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** What a node listens to on the bus: the topics that it has members of. */

const CHANNEL = "tautline:b:room:r";

describe.skipIf(REDIS.path === null)(`a node among others${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let hub: RedisHub;
  let other: RedisHub;

  beforeEach(async () => {
    redis = await TestRedis.start();
    hub = await RedisHub.start(redis);
    other = await RedisHub.start(redis);
  });

  afterEach(async () => {
    for (const each of [hub, other]) each.stop();
    await redis.stop();
  });

  const listeners = async (): Promise<number> => {
    const counts: unknown = await redis.command("PUBSUB", "NUMSUB", CHANNEL);
    return Array.isArray(counts) ? Number(counts[1]) : Number.NaN;
  };

  test("subscribes to a topic with its first member, once however many there are, and lets go of it with the last", async () => {
    const monitor = await RedisMonitor.start(redis);
    const members = [await hub.member("ada", "r"), await hub.member("bob", "r"), await hub.member("eve", "r")];
    // By publishing alone nobody begins to listen.
    for (let n = 0; n < 10; n += 1) await other.publish("r", n);
    expect(await listeners()).toBe(1);
    for (const { connection } of members.slice(1)) hub.rig.receive(connection, { type: "leave_room", roomSlug: "r" });
    await hub.publish("r");
    expect(await listeners()).toBe(1);
    for (const { connection } of members) hub.rig.receive(connection, { type: "leave_room", roomSlug: "r" });
    await until(async () => (await listeners()) === 0);
    const seen = await monitor.stop();
    const about = seen.filter(({ command, names }) => command.endsWith("SUBSCRIBE") && names.includes(CHANNEL));
    expect(about.map(({ command }) => command)).toEqual(["SUBSCRIBE", "UNSUBSCRIBE"]);
  });
});
