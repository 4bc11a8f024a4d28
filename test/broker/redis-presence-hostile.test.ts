import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { NO_NODE } from "../../src/broker/presence-mirror.ts";
import { LONGEST_HOLD_MS } from "../../src/broker/redis/presence-bus.ts";
import { readSnapshot } from "../../src/broker/redis/presence-snapshot.ts";
import { until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { SharedHub, told } from "../support/shared-hub.ts";

/** Whoever can write to Redis: nothing of theirs is believed that no node would say, and nothing of it holds anybody up. */

const KEY = "tautline:p:room:r";
const CHANNEL = "tautline:pc:room:r";

describe.skipIf(REDIS.path === null)(`presence from a Redis that others write to${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let hubs: SharedHub[];

  beforeEach(async () => {
    redis = await TestRedis.start();
    hubs = [await SharedHub.start(redis, "node-1"), await SharedHub.start(redis, "node-2")];
    await until(() => hubs.every(({ nodes }) => nodes.alive.size === 2));
  });

  afterEach(async () => {
    await Promise.all(hubs.map((hub) => hub.stop()));
    await redis.stop();
  });

  const both = (): [SharedHub, SharedHub] => {
    const [a, b] = hubs;
    if (a === undefined || b === undefined) throw new Error("no hubs");
    return [a, b];
  };
  const change = (fields: object) => {
    const nothing = { joined: [], left: [], held: [] };
    return JSON.stringify({ format: 1, epoch: "1", version: 1, node: "x", by: "x", ...nothing, ...fields });
  };

  test.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["null", "null"],
    ["a list", "[]"],
    ["a prototype", `{"__proto__":{"format":1},"constructor":1}`],
    ["another format", change({ format: 2 })],
    ["a change without a version", change({ version: null })],
    ["ids that are none", change({ left: [7, null, {}] })],
    ["a user without a name", change({ joined: [["ada", "ada"]] })],
    ["an id that is too long", change({ joined: [["x".repeat(600), "x", "x"]] })],
    ["a hold without end", change({ held: [["ada", "ada", "ada", 1e12]] })],
    ["more users than a node tells at once", change({ left: Array.from({ length: 251 }, (_, n) => `u${n}`) })],
    ["typing of nobody", JSON.stringify({ format: 1, by: "x", typing: [{}, "x", true] })],
    ["half a megabyte", `"${"x".repeat(500_000)}"`],
  ])("skips and counts %s on the bus, and hears what comes next", async (_name, message) => {
    const [a, b] = both();
    const onA = await a.member("amy", "r");
    await redis.command("PUBLISH", CHANNEL, message);
    await until(() => a.presence.rejected === 1);
    await b.member("bob", "r");
    await until(() => a.users("r").length === 2);
    expect(told(onA.socket)).toEqual(["+bob"]);
    expect([a.rig.failures, a.presence.rejected]).toEqual([[], 1]);
  });

  test("reads the whole again after a change that no node has made, and believes the hash", async () => {
    const [a, b] = both();
    const onA = await a.member("amy", "r");
    await b.member("bob", "r");
    await until(() => a.users("r").length === 2);
    told(onA.socket);
    const forged = change({ epoch: "9", version: 77, node: b.nodes.self, by: b.nodes.self, left: ["bob"] });
    for (let n = 0; n < 20; n += 1) await redis.command("PUBLISH", CHANNEL, forged);
    await b.member("carol", "r");
    await until(() => a.users("r").length === 3);
    expect(told(onA.socket)).toEqual(["+carol"]);
  });

  test("skips and counts fields of the hash that are none", async () => {
    const [a, b] = both();
    await a.member("amy", "r");
    const fields = [
      ...["odd", "x", "\n", "x", `${a.nodes.self}\n`, "x", `${a.nodes.self}\nzoe`, "{", `${a.nodes.self}\nyan`, "[1]"],
      ...["\nheld", "soon", "\nlong", `99\n["${"x".repeat(600)}","x"]`, "x".repeat(2_000), "[]"],
    ];
    await redis.command("HSET", KEY, ...fields);
    const bob = await b.member("bob", "r");
    expect(bob.joined["userCount"]).toBe(2);
    expect(b.presence.rejected).toBe(8);
    expect(b.users("r")).toEqual(["amy", "bob"]);
  });

  test("joins all the same where something else stands in the place of the hash, and writes it once that is gone", async () => {
    const [a, b] = both();
    await redis.command("SET", KEY, "not a hash");
    expect((await a.member("amy", "r")).joined["userCount"]).toBe(1);
    await redis.command("DEL", KEY);
    await b.member("bob", "r");
    await until(() => a.users("r").length === 2 && b.users("r").length === 2);
  });

  test("tells again what somebody took off this node", async () => {
    const [a, b] = both();
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    await until(() => a.users("r").length === 2);
    for (const { socket } of [onA, onB]) told(socket);
    await redis.command("HDEL", KEY, `${a.nodes.self}\namy`);
    const [epoch, version] = [
      await redis.command("HGET", KEY, "epoch"),
      await redis.command("HINCRBY", KEY, "version", "1"),
    ];
    const reaped = change({ epoch, version, node: a.nodes.self, by: b.nodes.self, left: ["amy"] });
    await redis.command("PUBLISH", CHANNEL, reaped);
    await until(async () => (await redis.command("HEXISTS", KEY, `${a.nodes.self}\namy`)) === 1);
    await until(() => b.users("r").length === 2);
    expect(told(onB.socket)).toEqual(["-amy", "+amy"]);
  });
});

test("nobody is held for longer than a node would, whatever the hash says", () => {
  const flat = ["\nold", `9999999999999999\n["old","old"]`, "\nsoon", `1030000\n["soon","soon"]`];
  const { holdings } = readSnapshot(["1000000", flat], 5_000);
  const [old, soon] = [...(holdings.get(NO_NODE)?.values() ?? [])];
  expect([old?.untilMs, soon?.untilMs]).toEqual([5_000 + LONGEST_HOLD_MS, 35_000]);
});
