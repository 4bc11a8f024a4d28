import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Nodes } from "../../src/broker/broker.ts";
import { until } from "../auth/tokens.ts";
import { FakeClock } from "../support/clock.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { RedisNodesRig } from "../support/redis-nodes.ts";

const echo = (nodes: Nodes): void => nodes.answer("echo", (body) => body);

/** What the contract cannot promise: leases that end, a Redis that is away, and messages that nobody of ours has sent. */
describe.skipIf(REDIS.path === null)(`nodes over a Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let rig: RedisNodesRig;

  beforeEach(async () => {
    redis = await TestRedis.start();
    rig = new RedisNodesRig(redis);
  });

  afterEach(async () => {
    redis.resume();
    await rig.stop();
    await redis.stop();
  });

  /** A node that tells what it hears of others. */
  const observer = async (nodeId: string, times = {}) => {
    const told: string[] = [];
    const name = (node: string): string => node.slice(0, node.indexOf("/"));
    const setUp = (nodes: Nodes): void => {
      echo(nodes);
      nodes.onCome((node) => told.push(`${name(node)} came`));
      nodes.onGone((node) => told.push(`${name(node)} is gone`));
    };
    return { told, ...(await rig.start(nodeId, setUp, times)) };
  };

  test("who says nothing more is gone when its lease has ended, once, and is waited for no more", async () => {
    const { nodes, told } = await observer("a", { renewMs: 50 });
    const silent = await rig.start("b", echo, { leaseMs: 300 });
    await until(() => told.includes("b came"));
    silent.link.stop();
    await until(() => told.includes("b is gone"));
    expect(told).toEqual(["a came", "b came", "b is gone"]);
    expect(await nodes.ask("echo", 1)).toEqual({ answers: [], missing: [] });
  });

  test("who was taken for gone comes again by itself, and knows it", async () => {
    const a = await observer("a", { renewMs: 50 });
    const b = await observer("b", { renewMs: 50 });
    await until(() => a.told.includes("b came"));
    await redis.command("ZREM", "tautline:nodes", b.nodes.self);
    await until(() => b.told.length > 2);
    expect(b.told).toEqual(["b came", "a came", "b came"]);
    await until(() => a.nodes.alive.has(b.nodes.self));
    expect((await a.nodes.ask("echo", 1)) as unknown).toMatchObject({ answers: [{ body: 1 }], missing: [] });
  });

  test("a Redis that has lost everything makes nobody gone: all come back", async () => {
    const a = await observer("a");
    const b = await observer("b");
    await until(() => a.told.length === 2 && b.told.length === 2);
    await redis.kill();
    await until(() => !a.link.isUp && !b.link.isUp);
    expect(await a.nodes.ask("echo", 1)).toEqual({ answers: [], missing: ["b"] });
    await redis.start();
    await until(async () => (await a.nodes.ask("echo", 1)).answers.length === 1);
    await until(async () => (await b.nodes.ask("echo", 1)).answers.length === 1);
    expect([...a.told, ...b.told].filter((said) => said.includes("gone"))).toEqual([]);
    // Each knows that what others kept for it may be lost.
    expect(a.told.filter((said) => said === "a came")).toHaveLength(2);
  });

  test("a Redis that hangs keeps no question waiting longer than a node that hangs", async () => {
    const { nodes } = await observer("a");
    const other = await rig.start("b", echo);
    await until(() => nodes.alive.size === 2);
    redis.pause();
    expect(await nodes.ask("echo", 1)).toEqual({ answers: [], missing: ["b"] });
    redis.resume();
    await until(() => other.link.isUp);
    await until(async () => (await nodes.ask("echo", 1)).answers.length === 1);
  });

  test("a node that did not answer in time keeps the next question from nobody, until it is heard of", async () => {
    const clock = new FakeClock();
    const { nodes } = await rig.start("a", echo, { answerMs: 60_000 }, clock);
    let release: (body: unknown) => void = () => undefined;
    const held = new Promise((resolve) => {
      release = resolve;
    });
    await rig.start("quick", (of) => {
      echo(of);
      of.answer("q", () => 1);
    });
    let isAsked = false;
    await rig.start("slow", (of) => {
      echo(of);
      of.answer("q", () => {
        isAsked = true;
        return held;
      });
    });
    const first = nodes.ask("q", 0);
    await until(() => isAsked);
    // What comes over the bus keeps its order: the answer of "quick" is there by now.
    await nodes.ask("echo", 0);
    clock.advance(60_000);
    expect(await first).toMatchObject({ answers: [{ body: 1 }], missing: ["slow"] });
    // The clock stands still: a question that waited for it would never be answered.
    expect(await nodes.ask("q", 0)).toMatchObject({ answers: [{ body: 1 }], missing: ["slow"] });
    release(2);
    await until(async () => (await nodes.ask("q", 0)).answers.length === 2);
  });

  test("two processes of one NODE_ID are two nodes, and the log says so", async () => {
    const first = await observer("twin", { renewMs: 50 });
    expect(rig.warnings).toEqual([]);
    await observer("twin", { renewMs: 50 });
    await until(() => rig.warnings.length === 2);
    expect(await first.nodes.ask("echo", 1)).toMatchObject({ answers: [{ body: 1 }], missing: [] });
    expect(new Set(rig.warnings).size).toBe(1);
  });

  test("the lease that a crash has left over is no other process", async () => {
    await redis.command("ZADD", "tautline:nodes", "9999999999999", "a/0123456789abcdef");
    const { told } = await observer("a", { renewMs: 20 });
    await redis.command("ZREM", "tautline:nodes", "a/0123456789abcdef");
    await until(() => told.includes("a is gone"));
    expect(rig.warnings).toEqual([]);
  });

  test("messages that no node has sent are skipped and counted, and the nodes go on", async () => {
    const a = await observer("a");
    const b = await observer("b");
    const life = "x/0123456789abcdef";
    const bad = [
      ...["", "null", "[]", "1", "{", '{"__proto__":{"v":1}}', '{"v":2,"id":"1","from":"x/0123456789abcdef"}'],
      JSON.stringify({ v: 1, id: "1", from: "../x", question: "echo" }),
      JSON.stringify({ v: 1, id: "1", from: life, question: "E".repeat(1_000) }),
      JSON.stringify({ v: 1, id: {}, node: life, body: 1 }),
      JSON.stringify({ v: 1, node: life, is: "asleep" }),
    ];
    const channels = ["questions", "nodes:changes", `answers:${a.nodes.self}`];
    const huge = JSON.stringify({ v: 1, id: "1", from: life, question: "echo", body: "x".repeat(10_000_000) });
    for (const channel of channels) {
      for (const text of bad) await b.link.command(["PUBLISH", `tautline:${channel}`, text]);
    }
    await redis.command("PUBLISH", "tautline:questions", huge);
    await until(() => a.nodes.rejected === bad.length * 3 && a.link.oversized === 1);
    // An answer to nothing, and a goodbye in another's name, change nothing.
    await redis.command("PUBLISH", `tautline:answers:${a.nodes.self}`, JSON.stringify({ v: 1, id: "99", node: life }));
    await redis.command(
      ...["PUBLISH", "tautline:nodes:changes", JSON.stringify({ v: 1, node: b.nodes.self, is: "gone" })],
    );
    expect(await a.nodes.ask("echo", 1)).toMatchObject({ answers: [{ node: b.nodes.self, body: 1 }], missing: [] });
    expect(a.told).not.toContain("b is gone");
    expect(rig.failures).toEqual([]);
  });

  test("entries of the set that no node has made are skipped and counted", async () => {
    const { nodes, told } = await observer("a");
    await redis.command("ZADD", "tautline:nodes", "9999999999999", "x\n<script>", "inf", "b/0123456789abcdef");
    await nodes.ask("echo", 1);
    expect(nodes.rejected).toBe(2);
    expect([...nodes.alive]).toEqual([nodes.self]);
    expect(told).toEqual(["a came"]);
  });

  test("a set that is none of ours is told in the log once, and nobody is waited for", async () => {
    await redis.command("SET", "tautline:nodes", "?");
    const { nodes, told } = await observer("a", { renewMs: 20 });
    await until(() => rig.warnings.length > 0);
    expect(await nodes.ask("echo", 1)).toEqual({ answers: [], missing: [] });
    await redis.command("DEL", "tautline:nodes");
    await until(() => told.includes("a came"));
    expect(rig.warnings).toHaveLength(1);
  });

  test("what is left in Redis ends with the last lease", async () => {
    const { nodes } = await observer("a", { leaseMs: 5_000 });
    expect(await redis.command("KEYS", "*")).toEqual(["tautline:nodes"]);
    expect(Number(await redis.command("PTTL", "tautline:nodes"))).toBeGreaterThan(0);
    await nodes.stop();
    expect(await redis.command("KEYS", "*")).toEqual([]);
  });
});
