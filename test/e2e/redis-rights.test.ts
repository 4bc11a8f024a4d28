import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { until } from "../auth/tokens.ts";
import { NodeProcess } from "../support/node-process.ts";
import { TestNode } from "../support/node.ts";
import { RedisMonitor } from "../support/redis-monitor.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { wholeSession } from "../support/two-node-session.ts";

/** What nodes do in a Redis that is not theirs alone: under their prefix, with few commands, and with nothing that stays. */

const API_KEY = "an-api-key-of-thirty-two-characters!";
const PASSWORD = "c4nary-of-the-redis";
const OPERATIONS = readFileSync(fileURLToPath(new URL("../../docs/operations.md", import.meta.url)), "utf8");
/** The line of an ACL file that the documentation gives. */
const ACL = (/^user tautline .*$/m.exec(OPERATIONS)?.[0] ?? "").split(" ").slice(1);
const ALLOWED = new Set(ACL.filter((rule) => /^\+[a-z]/.test(rule)).map((rule) => rule.slice(1).toUpperCase()));

describe.skipIf(REDIS.path === null)(`the Redis of two nodes${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  const nodes: TestNode[] = [];

  beforeEach(async () => {
    redis = await TestRedis.start();
  });

  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
    await redis.stop();
  });

  async function pair(url: string): Promise<[TestNode, TestNode]> {
    const started = async (nodeId: string): Promise<TestNode> => {
      const node = await TestNode.start({
        ...{ NODE_ID: nodeId, BROKER_URL: url, API_KEY, LOG_LEVEL: "trace", PRESENCE_GRACE_MS: "0" },
      });
      nodes.push(node);
      return node;
    };
    return [await started("a"), await started("b")];
  }

  test("sees keys and channels with the prefix alone, and no command that the documentation does not name", async () => {
    const monitor = await RedisMonitor.start(redis);
    const [a, b] = await pair(`${redis.url}?prefix=app-1:`);
    await wholeSession(a, b, API_KEY);
    for (const node of nodes.splice(0)) await node.stop();
    const seen = await monitor.stop();
    const others = seen.flatMap(({ names }) => names).filter((name) => !name.startsWith("app-1:"));
    expect(others).toEqual([]);
    const commands = new Set(seen.map(({ command }) => command));
    expect([...commands].filter((command) => !ALLOWED.has(command))).toEqual([]);
    for (const never of ["KEYS", "SCAN", "FLUSHALL", "CONFIG"]) expect(ALLOWED.has(never)).toBe(false);
    expect(commands.size).toBeGreaterThan(20);
  });

  test("is left with no key that has no end", async () => {
    const [a, b] = await pair(`${redis.url}?prefix=app-1:`);
    await wholeSession(a, b, API_KEY);
    const endless = async (): Promise<string[]> => {
      const keys: unknown = await redis.command("KEYS", "*");
      const found: string[] = [];
      for (const key of Array.isArray(keys) ? keys.map(String) : []) {
        if (Number(await redis.command("PTTL", key)) === -1) found.push(key);
      }
      return found;
    };
    expect(Number(await redis.command("DBSIZE"))).toBeGreaterThan(10);
    expect(await endless()).toEqual([]);
    for (const node of nodes.splice(0)) await node.stop();
    expect(await endless()).toEqual([]);
  });

  test("serves a user that has the rights of the documentation and no others, and whose password is written nowhere", async () => {
    const rules = ACL.map((rule) => (rule.startsWith(">") ? `>${PASSWORD}` : rule));
    await redis.command("ACL", "SETUSER", ...rules);
    await redis.command("ACL", "SETUSER", "default", "resetkeys", "resetchannels");
    const [a, b] = await pair(redis.url.replace("//", `//tautline:${PASSWORD}@`));
    await wholeSession(a, b, API_KEY);
    for (const node of nodes) expect(await node.writtenAfterStop()).not.toContain(PASSWORD);
    expect(await redis.command("ACL", "LOG")).toEqual([]);
  });

  test("that refuses the password is told in the log by its code, without the password", async () => {
    await redis.command("ACL", "SETUSER", "tautline", "on", `>${PASSWORD}`);
    const [a] = await pair(redis.url.replace("//", `//tautline:${PASSWORD}-wrong@`));
    expect((await a.http("/ready")).status).toBe(503);
    const written = await a.writtenAfterStop();
    expect(written).toContain('"reason":"WRONGPASS"');
    expect(written).not.toContain(PASSWORD);
  });

  test("stands with its password in no list of processes", async () => {
    await redis.command("CONFIG", "SET", "requirepass", PASSWORD);
    const node = await NodeProcess.start({ BROKER_URL: redis.url.replace("//", `//:${PASSWORD}@`) });
    await until(async () => (await fetch(`http://127.0.0.1:${node.port}/ready`)).status === 200);
    expect(node.commandLine).toMatch(/main\.[tj]s/);
    expect(node.commandLine).not.toContain(PASSWORD);
    await node.stop();
  });
});
