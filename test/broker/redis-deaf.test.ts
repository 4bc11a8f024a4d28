import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { Follower } from "../support/redis-follower.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** A subscription that stands, at both ends, and brings nothing: only the node's own probe can tell. */

const TOPIC = "room:a";
/** The connection of the bus is the second that a node makes. */
const BUS = 1;

describe.skipIf(REDIS.path === null)(`a node whose subscription is deaf${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let proxy: FaultProxy;
  let deaf: Follower;
  let other: Follower;

  beforeEach(async () => {
    redis = await TestRedis.start();
    proxy = await FaultProxy.start({ to: { port: redis.port } });
    deaf = await Follower.start(`redis://127.0.0.1:${proxy.port}`, TOPIC);
    other = await Follower.start(redis.url, TOPIC);
    await other.publish("before");
    await until(() => deaf.texts.at(-1) === "before");
    proxy.blackhole({ direction: "toClient", only: (index) => index === BUS });
  });

  afterEach(async () => {
    for (const each of [deaf, other]) each.stop();
    await proxy.stop();
    await redis.stop();
  });

  test("makes another one, and brings its members what they missed, once and in order", async () => {
    for (const text of ["1", "2", "3"]) await other.publish(text);
    // Commands are answered all the time.
    expect((await deaf.publish("4")).offset).toBe(5);
    expect(deaf.texts).toEqual(["before"]);
    await until(() => deaf.texts.at(-1) === "4");
    await other.publish("5");
    await until(() => deaf.texts.at(-1) === "5");
    expect(deaf.texts).toEqual(["before", "1", "2", "3", "4", "5"]);
    expect([deaf.lost, deaf.link.reconnects]).toEqual([[], 1]);
  });

  test("tells its members of the hole where what they missed is not kept", async () => {
    for (const text of ["1", "2", "3"]) await other.publish(text, false);
    await until(() => deaf.lost.length === 1);
    expect(deaf.lost).toMatchObject([{ offset: 4 }]);
    await other.publish("4");
    await until(() => deaf.texts.at(-1) === "4");
    expect(deaf.texts).toEqual(["before", "4"]);
  });
});
