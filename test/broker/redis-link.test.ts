import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

describe.skipIf(REDIS.path === null)(`the link to a Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let link: RedisLink;
  let said: { up: boolean; reason?: string }[];
  let ups: number;

  beforeEach(async () => {
    redis = await TestRedis.start();
    const [address] = redisAddresses(`redis://localhost:${redis.port}?prefix=test:`) ?? [];
    if (address === undefined) throw new Error("no address");
    said = [];
    ups = 0;
    link = new RedisLink({ address, clock: systemClock, report: (change) => said.push(change) });
    link.onUp(() => {
      ups += 1;
    });
  });

  afterEach(async () => {
    link.stop();
    await redis.stop();
  });

  test("is up when both of its connections are, and says which process it talks to", async () => {
    await link.start();
    expect(link.isUp).toBe(true);
    expect(link.server).toMatchObject({ runId: expect.stringMatching(/^[0-9a-f]{40}$/), evictionPolicy: "noeviction" });
    expect(await link.command(["ECHO", "é"])).toBe("é");
  });

  test("brings what is published on a channel, in order, until it is unsubscribed", async () => {
    await link.start();
    const heard: string[] = [];
    await link.subscribe("test:a", (message) => heard.push(message));
    for (const text of ["1", "2", "3"]) await link.command(["PUBLISH", "test:a", text]);
    await until(() => heard.length === 3);
    link.unsubscribe("test:a");
    await until(async () => (await link.command(["PUBLISH", "test:a", "4"])) === 0);
    expect(heard).toEqual(["1", "2", "3"]);
  });

  test("brings a channel that was given up and is wanted again before Redis has said so", async () => {
    await link.start();
    const heard: string[] = [];
    await link.subscribe("test:a", () => heard.push("before"));
    link.unsubscribe("test:a");
    await link.subscribe("test:a", () => heard.push("after"));
    for (let n = 0; n < 3; n += 1) {
      link.unsubscribe("test:a");
      void link.subscribe("test:a", () => heard.push("after"));
    }
    await link.subscribe("test:b", () => heard.push("last"));
    for (const channel of ["test:a", "test:b"]) await link.command(["PUBLISH", channel, ""]);
    await until(() => heard.includes("last"));
    expect(heard).toEqual(["after", "last"]);
  });

  test("fails commands at once while Redis is away, and comes back to another process, subscribed as before", async () => {
    await link.start();
    const heard: string[] = [];
    await link.subscribe("test:a", (message) => heard.push(message));
    const { runId } = link;
    await redis.kill();
    await until(() => !link.isUp);
    await expect(link.command(["PING"])).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await redis.start();
    await until(() => link.isUp);
    expect(link.runId).not.toBe(runId);
    expect(ups).toBe(2);
    await link.command(["PUBLISH", "test:a", "again"]);
    await until(() => heard.includes("again"));
  });

  test("starts without Redis, and is up once it is there", async () => {
    await redis.kill();
    await link.start();
    expect(link.isUp).toBe(false);
    await redis.start();
    await until(() => link.isUp);
  });

  test("gives up a Redis that answers nothing: commands fail, and it is up again when Redis goes on", async () => {
    await link.start();
    redis.pause();
    await expect(link.command(["PING"])).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(link.isUp).toBe(false);
    redis.resume();
    await until(() => link.isUp);
    expect(await link.command(["PING"])).toBe("PONG");
  });

  test("subscribes anew when somebody ends its subscriptions", async () => {
    await link.start();
    const heard: string[] = [];
    await link.subscribe("test:a", (message) => heard.push(message));
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until(() => ups === 2);
    await link.command(["PUBLISH", "test:a", "x"]);
    await until(() => heard.length === 1);
  });

  test("is never up where the Redis is a part of a cluster, and says why", async () => {
    const part = await TestRedis.start(["--cluster-enabled", "yes"]);
    const [address] = redisAddresses(part.url) ?? [];
    if (address === undefined) throw new Error("no address");
    link = new RedisLink({ address, clock: systemClock, report: (change) => said.push(change) });
    await link.start();
    expect(link.isUp).toBe(false);
    expect(said).toMatchObject([{ up: false, reason: "CLUSTER" }]);
    await part.stop();
  });

  test("reports no password, whatever goes wrong", async () => {
    link.stop();
    const [address] = redisAddresses(`redis://someone:topsecret@localhost:${redis.port}`) ?? [];
    if (address === undefined) throw new Error("no address");
    link = new RedisLink({ address, clock: systemClock, report: (change) => said.push(change) });
    await link.start();
    expect(link.isUp).toBe(false);
    expect(said.length).toBeGreaterThan(0);
    expect(JSON.stringify(said)).not.toContain("topsecret");
  });
});
