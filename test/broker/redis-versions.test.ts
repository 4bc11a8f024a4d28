import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { Follower } from "../support/redis-follower.ts";
import { RedisNodesRig } from "../support/redis-nodes.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** Nodes of another release over the same Redis: what they say that this one does not know is skipped and counted, and never a silent hole. */

const TOPIC = "room:a";
const STREAM = `tautline:s:${TOPIC}`;

describe.skipIf(REDIS.path === null)(`a node of another release${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let here: Follower;

  beforeEach(async () => {
    redis = await TestRedis.start();
    here = await Follower.start(redis.url, TOPIC);
    await here.publish("1");
    await until(() => here.texts.length === 1);
  });

  afterEach(async () => {
    here.stop();
    await redis.stop();
  });

  /** As its script would: an entry of the stream, the position, and a message on the bus. */
  async function say(offset: number, entry: readonly string[], version: number): Promise<void> {
    const { epoch } = await here.broker.position(TOPIC);
    await redis.command("XADD", STREAM, `${offset}-0`, ...entry, "t", String(Date.now()));
    await redis.command("HSET", `tautline:t:${TOPIC}`, "offset", String(offset));
    await redis.command("PUBLISH", `tautline:b:${TOPIC}`, `${version}e${offset} ${epoch} more\nanything`);
  }

  const note = (text: string): string => `{"type":"note","data":"${text}"`;

  test("whose bus messages are of another version is heard by way of the stream", async () => {
    await say(2, ["k", "e", "b", note("2")], 2);
    await until(() => here.texts.length === 2);
    await here.publish("3");
    await until(() => here.texts.length === 3);
    expect(here.texts).toEqual(["1", "2", "3"]);
    expect([here.lost, here.broker.foreignMessages]).toEqual([[], 1]);
  });

  test("whose messages cannot be read at all leaves a hole that is told at once", async () => {
    await say(2, ["k", "n", "b", "unknown"], 2);
    await until(() => here.lost.length === 1);
    expect(here.lost).toMatchObject([{ offset: 2 }]);
    await here.publish("3");
    await until(() => here.texts.length === 2);
    expect(here.texts).toEqual(["1", "3"]);
  });

  test("that keeps more with a message is read without it", async () => {
    const { epoch } = await here.broker.position(TOPIC);
    await redis.command("XADD", STREAM, "2-0", "k", "e", "b", note("2"), "t", String(Date.now()), "new", "x");
    await redis.command("HSET", `tautline:t:${TOPIC}`, "offset", "2");
    const { messages, recovered } = await here.broker.history(TOPIC, { offset: 1, epoch }, 10);
    expect([messages.length, recovered]).toEqual([1, true]);
  });

  test("that says more in questions, answers and announcements is understood, and one of another version is missing", async () => {
    const rig = new RedisNodesRig(redis);
    const { nodes } = await rig.start("here");
    const { nodes: there } = await rig.start("there", (each) => each.answer("echo", (body) => body));
    await until(() => nodes.alive.size === 2);
    const question = (v: number) =>
      JSON.stringify({ ...{ v, id: "7", from: nodes.self, question: "echo", body: 1 }, more: { of: "it" } });
    const rejected = there.rejected;
    await redis.command("PUBLISH", "tautline:questions", question(1));
    expect(there.rejected).toBe(rejected);
    await redis.command("PUBLISH", "tautline:questions", question(2));
    await until(() => there.rejected === rejected + 1);
    expect(await nodes.ask("of-a-later-release", 1)).toMatchObject({ answers: [], missing: ["there"] });
    await rig.stop();
  });
});
