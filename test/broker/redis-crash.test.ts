import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Position } from "../../src/broker/broker.ts";
import { until } from "../auth/tokens.ts";
import { Follower } from "../support/redis-follower.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

const TOPIC = "room:a";
/** Fewer bytes than the last message has in the file. */
const PART_OF_A_MESSAGE = 20;

describe.skipIf(REDIS.path === null)(`a machine that crashed with appendfsync everysec${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let member: Follower;

  beforeEach(async () => {
    redis = await TestRedis.start(["--appendonly", "yes", "--appendfsync", "everysec"]);
    member = await Follower.start(redis.url, TOPIC);
  });

  afterEach(async () => {
    member.stop();
    await redis.stop();
  });

  function publish(messageId: string): Promise<Position> {
    const body = { kind: "event", json: `{"type":"note","data":"${messageId}"` } as const;
    return member.broker.publish({ topic: TOPIC, body, identity: { userId: "ada", messageId, payload: "" } }, true);
  }

  /** While the file is being synchronised nothing is written to it. */
  async function isWritten(): Promise<boolean> {
    return /^aof_buffer_length:0\r?$/m.test(String(await redis.command("INFO", "persistence")));
  }

  async function crash(): Promise<void> {
    await until(isWritten);
    await redis.kill();
    redis.loseBytes(PART_OF_A_MESSAGE);
    await until(() => !member.broker.ready);
    await redis.start();
    await until(() => member.broker.ready && member.lost.length === 1);
  }

  test("has lost messages that went together as a whole, and says so to whoever had them", async () => {
    const [, , last] = await Promise.all(["m1", "m2", "m3"].map(publish));
    await until(() => member.texts.at(-1) === "m3");
    await crash();
    const { offset, messages } = await member.broker.history(TOPIC, null, 10);
    expect(offset).toBe(1);
    expect(messages.map(({ body }) => body.json)).toEqual(['{"type":"note","data":"m1"']);
    expect(member.lost[0]).toMatchObject({ offset: 1 });
    expect(member.lost[0]?.epoch).not.toBe(last?.epoch);
    expect(await member.broker.history(TOPIC, last ?? null, 10)).toMatchObject({ recovered: false, messages: [] });
  });

  test("takes what was lost when it is sent again, and what was not lost once", async () => {
    const [first, second] = await Promise.all(["m1", "m2", "m3"].map(publish));
    await crash();
    expect(await publish("m1")).toEqual(first ?? { offset: 0, epoch: "" });
    const again = await publish("m2");
    expect(again.offset).toBe(2);
    expect(again.epoch).not.toBe(second?.epoch);
  });
});
