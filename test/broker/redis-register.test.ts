import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { ChangedElsewhere, Revocation, RevokedElsewhere } from "../../src/broker/broker.ts";
import { RedisPermissions } from "../../src/broker/redis-permissions.ts";
import { RedisRevocations } from "../../src/broker/redis-revocations.ts";
import type { RedisLink } from "../../src/broker/redis/link.ts";
import { outcome, until } from "../auth/tokens.ts";
import { AS_THE_TOKEN } from "../contract/permissions.ts";
import { FakeClock } from "../support/clock.ts";
import { REDIS } from "../support/redis.ts";
import { RedisRig } from "../support/redis-rig.ts";

/** What several nodes know of the same orders, by the stores that keep them. */

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

interface SharingNode {
  readonly link: RedisLink;
  readonly clock: FakeClock;
  readonly revocations: RedisRevocations;
  readonly permissions: RedisPermissions;
  readonly revoked: RevokedElsewhere[];
  readonly changed: ChangedElsewhere[];
  readonly reports: Readonly<Record<string, string | number>>[];
  start(): Promise<void>;
  /** A minute later: what was not announced is looked for. */
  minute(): void;
}

let rig: RedisRig;

function node(nodeId: string): SharingNode {
  const [link, clock] = [rig.link(), new FakeClock(Date.now())];
  const revoked: RevokedElsewhere[] = [];
  const changed: ChangedElsewhere[] = [];
  const reports: Readonly<Record<string, string | number>>[] = [];
  const shared = { link, clock, nodeId, report: (fields: (typeof reports)[number]) => reports.push(fields) };
  const revocations = new RedisRevocations({ ...shared, onRevoked: (news) => revoked.push(...news) });
  const permissions = new RedisPermissions({ ...shared, onChanged: (news) => changed.push(...news) });
  return {
    ...{ link, clock, revocations, permissions, revoked, changed, reports },
    async start() {
      await link.start();
      await Promise.all([revocations.start(), permissions.start()]);
    },
    minute() {
      clock.advance(MINUTE_MS);
      revocations.sweep();
      permissions.sweep();
    },
  };
}

async function started(nodeId: string): Promise<SharingNode> {
  const begun = node(nodeId);
  await begun.start();
  return begun;
}

/** From now on nobody tells the node of it: a and b were told before. */
async function deafen({ link }: SharingNode, channel: string): Promise<void> {
  link.unsubscribe(channel);
  await until(async () => Bun.deepEquals(await rig.redis.command("PUBSUB", "NUMSUB", channel), [channel, 1]));
}

const order = (value: string, fields: Partial<Revocation> = {}): Revocation => ({
  ...{ kind: "jti", value, issuedBeforeMs: null, untilMs: Date.now() + HOUR_MS },
  ...fields,
});

describe.skipIf(REDIS.path === null)(`what nodes share over a Redis${REDIS.skipReason}`, () => {
  let a: SharingNode;
  let b: SharingNode;

  beforeAll(async () => {
    rig = await RedisRig.start();
  });
  beforeEach(async () => {
    await rig.clear();
    [a, b] = [await started("a"), await started("b")];
  });
  afterAll(() => rig.stop());

  describe("a revocation", () => {
    test("that one node takes is known to the other, which is told of it; the first is not", async () => {
      const revocation = order("j1");
      await a.revocations.add(revocation);
      expect(a.revocations.find("jti", "j1")).toEqual(revocation);
      await until(() => b.revoked.length > 0);
      expect(b.revocations.find("jti", "j1")).toEqual(revocation);
      expect([a.revoked, b.revoked]).toEqual([[], [{ ...revocation, node: "a" }]]);
    });

    test("by text of any kind is the same one on the other node", async () => {
      const values = ["\ud800", "\ud801", "a\nb", '"', "\0", "é"];
      for (const value of values) await a.revocations.add(order(value));
      await until(() => b.revocations.size === values.length);
      for (const value of values) expect(b.revocations.find("jti", value)?.value).toBe(value);
    });

    test("that two nodes give at once in two ways means the tokens of both, on both", async () => {
      const [early, late] = [
        order("ada", { kind: "sub", issuedBeforeMs: 1 }),
        order("ada", { kind: "sub", issuedBeforeMs: 9 }),
      ];
      const longest = { ...early, untilMs: early.untilMs + HOUR_MS };
      await Promise.all([a.revocations.add(longest), b.revocations.add(late)]);
      const both = { ...late, untilMs: longest.untilMs };
      for (const { revocations } of [a, b]) {
        await until(() => revocations.find("sub", "ada")?.untilMs === both.untilMs);
        await until(() => revocations.find("sub", "ada")?.issuedBeforeMs === 9);
      }
      const c = await started("c");
      expect(c.revocations.find("sub", "ada")).toEqual(both);
    });

    test("is known to a node that starts later, as one of many, and is no news there", async () => {
      for (let from = 0; from < 450; from += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, n) => a.revocations.add(order(`j${from + n}`))));
      }
      const c = node("c");
      expect(c.revocations.ready).toBe(false);
      await c.start();
      expect([c.revocations.ready, c.revocations.size, c.revoked.length]).toEqual([true, 450, 0]);
      await until(() => b.revocations.size === 450);
      expect([a.revoked.length, b.revoked.length]).toEqual([0, 450]);
    });

    test("that came while a node heard nothing is news to it when it hears again", async () => {
      await rig.redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      await a.revocations.add(order("j1"));
      await until(() => b.revoked.length > 0);
      expect(b.revocations.find("jti", "j1")).not.toBeNull();
    });

    test("whose announcement was lost is found within a minute", async () => {
      await deafen(b, "test:revocations");
      await a.revocations.add(order("j1"));
      b.clock.advance(MINUTE_MS - 1);
      b.revocations.sweep();
      expect(b.revocations.find("jti", "j1")).toBeNull();
      b.minute();
      await until(() => b.revoked.length > 0);
      expect(b.revocations.find("jti", "j1")).not.toBeNull();
    });

    test("that is over already is taken and leaves nothing", async () => {
      await a.revocations.add(order("j1", { untilMs: Date.now() - 1_000 }));
      expect([a.revocations.size, await rig.keys()]).toEqual([0, []]);
    });

    test("leaves keys with the prefix alone, which end with the last of them", async () => {
      await a.revocations.add(order("j1", { untilMs: Date.now() + 1_000 }));
      await a.revocations.add(order("j2"));
      await a.permissions.set("ada", { ...AS_THE_TOKEN, roles: [] });
      const keys = await rig.keys();
      expect(keys).toHaveLength(8);
      for (const key of keys) {
        expect(key).toStartWith("test:");
        const leftMs = Number(await rig.redis.command("PTTL", key));
        expect(leftMs).toBeGreaterThan(HOUR_MS);
        expect(leftMs).toBeLessThan(25 * HOUR_MS);
      }
    });
  });

  describe("changed permissions", () => {
    test("are set, replaced and taken back on all nodes, each of which is told by whom", async () => {
      await a.permissions.set("ada", { ...AS_THE_TOKEN, topics: new Map([["room:*", ["read"]]]) });
      await until(() => b.changed.length === 1);
      expect(b.permissions.find("ada")).toEqual({ ...AS_THE_TOKEN, topics: new Map([["room:*", ["read"]]]) });
      await b.permissions.set("ada", { ...AS_THE_TOKEN, roles: ["x"] });
      await until(() => a.changed.length === 1);
      expect(a.permissions.find("ada")).toEqual({ ...AS_THE_TOKEN, roles: ["x"] });
      await a.permissions.clear("ada");
      await until(() => b.changed.length === 2);
      expect([b.permissions.find("ada"), b.permissions.size]).toEqual([null, 0]);
      expect(a.changed).toEqual([{ userId: "ada", change: "set", node: "b" }]);
      expect(b.changed).toEqual([
        { userId: "ada", change: "set", node: "a" },
        { userId: "ada", change: "cleared", node: "a" },
      ]);
    });

    test("that were taken back are remembered, and what nobody changed is not", async () => {
      await a.permissions.clear("nobody");
      expect(await rig.keys()).toEqual([]);
      await a.permissions.set("ada", AS_THE_TOKEN);
      await b.permissions.clear("ada");
      expect(await rig.keys()).toContain("test:permissions:gone");
    });

    test("hold as they were ordered last on every node, whoever ordered them at once", async () => {
      await Promise.all(
        Array.from({ length: 40 }, (_, n) =>
          (n % 2 === 0 ? a : b).permissions.set("ada", { ...AS_THE_TOKEN, roles: [`r${n}`] }),
        ),
      );
      const c = await started("c");
      const last = c.permissions.find("ada");
      expect(last).not.toBeNull();
      for (const { permissions } of [a, b]) await until(() => Bun.deepEquals(permissions.find("ada"), last));
    });
  });

  describe("a Redis that has lost everything", () => {
    const fill = async (): Promise<void> => {
      for (let n = 0; n < 250; n += 1) await a.revocations.add(order(`j${n}`));
      await b.permissions.set("ada", { ...AS_THE_TOKEN, roles: ["x"] });
      await until(() => b.revocations.size === 250 && a.permissions.size === 1);
    };
    const restored = async (): Promise<void> => {
      const keys = ["test:revocations:data", "test:permissions:data"];
      const counts = async () => Promise.all(keys.map((key) => rig.redis.command("HLEN", key)));
      await until(async () => Bun.deepEquals(await counts(), [250, 1]));
      const c = await started("c");
      expect([c.revocations.size, c.permissions.find("ada")?.roles]).toEqual([250, ["x"]]);
    };

    test("while they were connected gets it back from the nodes, which is no news to them", async () => {
      await fill();
      [a, b].forEach(({ revoked, changed }) => ([revoked.length, changed.length] = [0, 0]));
      await rig.redis.command("FLUSHALL");
      a.minute();
      await restored();
      expect([a.revoked, a.changed, b.revoked, b.changed]).toEqual([[], [], [], []]);
    });

    test("at its restart gets it back from each node that is connected again", async () => {
      await fill();
      await rig.redis.kill();
      await rig.redis.start();
      await restored();
    });

    test("takes back nothing that was taken back, also when a node had not heard of it", async () => {
      await a.permissions.set("ada", { ...AS_THE_TOKEN, roles: ["x"] });
      await until(() => b.permissions.size === 1);
      await deafen(b, "test:permissions");
      await a.permissions.clear("ada");
      await rig.redis.command("FLUSHALL");
      b.minute();
      // Which of them is the first makes no difference: the later order holds.
      a.minute();
      await until(async () => (await rig.redis.command("EXISTS", "test:permissions:gone")) === 1);
      expect(await rig.redis.command("EXISTS", "test:permissions:live")).toBe(0);
      b.minute();
      await until(() => b.permissions.find("ada") === null);
      expect([a.permissions.find("ada"), a.changed]).toEqual([null, []]);
    });
  });

  test("a Redis that has lost the last orders gets those from the nodes, and keeps the older ones", async () => {
    const NAMES = ["meta", "data", "order", "live", "gone"].map((name) => `test:permissions:${name}`);
    await a.permissions.set("ada", { ...AS_THE_TOKEN, roles: ["old"] });
    await a.permissions.set("bob", { ...AS_THE_TOKEN, roles: ["kept"] });
    for (const key of NAMES) await rig.redis.command("COPY", key, `${key}:before`);
    await a.permissions.set("ada", { ...AS_THE_TOKEN, roles: ["new"] });
    await a.permissions.set("carl", { ...AS_THE_TOKEN, roles: ["new"] });
    const back = "for _, key in ipairs(KEYS) do redis.call('DEL', key) redis.call('COPY', key .. ':before', key) end";
    await rig.redis.command("EVAL", back, String(NAMES.length), ...NAMES);
    a.minute();
    await until(async () => (await rig.redis.command("HLEN", "test:permissions:data")) === 3);
    const c = await started("c");
    expect(["ada", "bob", "carl"].map((id) => c.permissions.find(id)?.roles)).toEqual([["new"], ["kept"], ["new"]]);
  });

  describe("what stands in Redis and is none of ours", () => {
    const put = async (name: string, field: string, stored: string): Promise<void> => {
      await rig.redis.command("HSET", `test:${name}:data`, field, stored);
      await rig.redis.command("ZADD", `test:${name}:order`, "1", field);
    };

    test.each([
      ["no version", '{"kind":"jti"}'],
      ["no JSON", "1 {"],
      ["another shape", '1 {"kind":"jti","value":"x"}'],
      ["another revocation than its field says", `1 ${JSON.stringify({ ...order("y"), node: "a" })}`],
      ["more than an entry may be long", `1 ${JSON.stringify({ ...order("x"), node: "a", more: "x".repeat(70_000) })}`],
    ])("with %s is skipped and counted, and everything else is read", async (_what, stored) => {
      await a.revocations.add(order("good"));
      await put("revocations", 'jti:"x"', stored);
      const c = await started("c");
      expect([c.revocations.ready, c.revocations.size]).toEqual([true, 1]);
      expect(c.reports).toEqual([{ store: "revocations", skipped: 1, inAll: 1 }]);
      await a.revocations.add(order("x"));
      expect(a.revocations.find("jti", "x")).not.toBeNull();
    });

    test.each([
      ["a user who is none", "a b", { change: null, untilMs: 9e15, node: "a" }],
      [
        "an action that is none",
        "ada",
        { change: { ...AS_THE_TOKEN, topics: [["room:a", ["x"]]] }, untilMs: 9e15, node: "a" },
      ],
    ])("with %s changes nobody's permissions", async (_what, field, value) => {
      await put("permissions", field, `1 ${JSON.stringify(value)}`);
      const c = await started("c");
      expect([c.permissions.size, c.reports]).toEqual([0, [{ store: "permissions", skipped: 1, inAll: 1 }]]);
    });

    test("as a key of another type is refused, said in the log, and an order then UNAVAILABLE", async () => {
      await rig.redis.command("SET", "test:revocations:meta", "x");
      expect(await outcome(() => a.revocations.add(order("j1")))).toBe("UNAVAILABLE");
      expect(a.reports).toContainEqual({ store: "revocations", refused: "WRONGTYPE" });
      expect(a.revocations.find("jti", "j1")).toBeNull();
    });

    test("on the bus means no more than that there may be something to read", async () => {
      for (const text of ["", "{", "x".repeat(100_000)]) await rig.redis.command("PUBLISH", "test:revocations", text);
      await a.revocations.add(order("j1"));
      await until(() => b.revocations.size === 1);
      expect(b.reports).toEqual([]);
    });
  });

  describe("while Redis is away", () => {
    afterEach(async () => {
      rig.redis.resume();
      await rig.stop();
      rig = await RedisRig.start();
    });

    test("nodes go on with what they know, and orders are UNAVAILABLE and change nothing", async () => {
      await a.revocations.add(order("j1"));
      await a.permissions.set("ada", { ...AS_THE_TOKEN, roles: [] });
      await rig.redis.kill();
      expect(await outcome(() => a.revocations.add(order("j2")))).toBe("UNAVAILABLE");
      expect(await outcome(() => a.permissions.set("bob", AS_THE_TOKEN))).toBe("UNAVAILABLE");
      expect(await outcome(() => a.permissions.clear("ada"))).toBe("UNAVAILABLE");
      expect([a.revocations.ready, a.revocations.size, a.permissions.size]).toEqual([true, 1, 1]);
    });

    test("a node that starts knows nothing until Redis is there", async () => {
      await a.revocations.add(order("j1"));
      await rig.redis.kill();
      const c = await started("c");
      expect([c.revocations.ready, c.permissions.ready]).toEqual([false, false]);
      await rig.redis.start();
      await until(() => c.revocations.ready && c.permissions.ready);
      // Redis has lost it, but the nodes have not.
      await until(() => c.revocations.size === 1);
    });

    test("an order that was taken although nobody said so is news to the very node that gave it", async () => {
      // The first one brings the script, which Redis has to know already when the next comes.
      await b.revocations.add(order("j0"));
      await until(() => a.revoked.length === 1);
      rig.redis.pause();
      expect(await outcome(() => a.revocations.add(order("j1")))).toBe("UNAVAILABLE");
      rig.redis.resume();
      await until(() => a.revoked.length === 2 && b.revoked.length === 1);
      expect([a.revoked.at(-1), b.revoked.at(-1)]).toMatchObject([
        { value: "j1", node: "a" },
        { value: "j1", node: "a" },
      ]);
    });
  });
});
