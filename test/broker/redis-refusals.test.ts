import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { Follower } from "../support/redis-follower.ts";
import { RedisNodesRig } from "../support/redis-nodes.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** A Redis that answers, and says no to everything for a while. */

const TOPIC = "room:a";

describe.skipIf(REDIS.path === null)(`a Redis that refuses${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let here: Follower;
  let there: Follower;

  beforeEach(async () => {
    redis = await TestRedis.start(["--busy-reply-threshold", "100"]);
    here = await Follower.start(redis.url, TOPIC);
    there = await Follower.start(redis.url, TOPIC);
    await here.publish("before");
  });

  afterEach(async () => {
    here.stop();
    there.stop();
    await redis.stop();
  });

  const goesOnWhole = async (): Promise<void> => {
    await until(() => here.broker.ready && there.broker.ready);
    await here.publish("after");
    await until(() => here.texts.at(-1) === "after" && there.texts.at(-1) === "after");
    expect(there.texts).toEqual(here.texts);
    expect([here.lost, there.lost]).toEqual([[], []]);
  };

  test("because somebody's script runs without end takes no message, is no longer relied on, and goes on behind it", async () => {
    const endless = redis.command("EVAL", "while true do end", "0").catch(() => "ended");
    await until(async () => (await redis.command("PING").catch((error: unknown) => String(error))) !== "PONG");
    await expect(here.publish("x")).rejects.toMatchObject({ code: "PUBLISH_FAILED" });
    const since = { offset: 0, epoch: "x" };
    await expect(here.broker.history(TOPIC, since, 10)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    // The probe is refused as well.
    await until(() => !here.broker.ready);
    await redis.command("SCRIPT", "KILL");
    expect(await endless).toBe("ended");
    await goesOnWhole();
    expect(here.texts).toEqual(["before", "after"]);
  });

  test("because it has too few replicas takes no message, hands out what it has, and the log says why", async () => {
    const rig = new RedisNodesRig(redis);
    await redis.command("CONFIG", "SET", "min-replicas-to-write", "1");
    await expect(here.publish("x")).rejects.toMatchObject({ code: "PUBLISH_FAILED" });
    expect((await there.broker.history(TOPIC, null, 10)).messages).toHaveLength(1);
    await rig.start("a");
    expect(rig.warned).toEqual([[{ refused: "NOREPLICAS" }, "Redis does not take the lease of this node"]]);
    await rig.stop();
    await redis.command("CONFIG", "SET", "min-replicas-to-write", "0");
    await goesOnWhole();
    expect(here.texts).toEqual(["before", "after"]);
  });
});
