import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type TicketBounds } from "../../src/broker/memory-tickets.ts";
import { RedisTickets } from "../../src/broker/redis-tickets.ts";
import { outcome } from "../auth/tokens.ts";
import { principal } from "../support/principal.ts";
import { REDIS } from "../support/redis.ts";
import { RedisRig } from "../support/redis-rig.ts";
import { ticketStoreContract } from "./tickets.ts";

describe.skipIf(REDIS.path === null)(`tickets in Redis${REDIS.skipReason}`, () => {
  let rig: RedisRig;
  let reports: unknown[];

  beforeAll(async () => {
    rig = await RedisRig.start();
  });
  beforeEach(async () => {
    reports = [];
    await rig.clear();
  });
  afterAll(() => rig.stop());

  async function started(bounds?: TicketBounds) {
    const link = rig.link();
    await link.start();
    return new RedisTickets({ link, report: (fields) => reports.push(fields) }, bounds);
  }

  ticketStoreContract({
    name: "redis",
    hasRealTime: true,
    async start(bounds) {
      await rig.clear();
      return { store: await started(bounds), pass: (ms) => rig.ageTickets(ms) };
    },
  });

  describe("of two nodes", () => {
    let one: RedisTickets;
    let two: RedisTickets;

    beforeEach(async () => {
      [one, two] = [await started({ perUser: 3, total: 1_000 }), await started({ perUser: 3, total: 1_000 })];
    });

    test("are given out once: to one of fifty who ask both nodes at once", async () => {
      await one.add("d1", principal({ id: "ada" }), 30_000);
      const taken = await Promise.all(Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? one : two).take("d1")));
      expect(taken.filter((holder) => holder !== null)).toEqual([principal({ id: "ada" })]);
    });

    test("are counted by user over both", async () => {
      const ada = principal({ id: "ada" });
      const codes = [];
      for (const [index, store] of [one, two, one, two].entries()) {
        codes.push(await outcome(() => store.add(`d${index}`, ada, 30_000)));
      }
      expect(codes).toEqual(["ok", "ok", "ok", "RATE_LIMITED"]);
      await two.take("d0");
      expect(await outcome(() => two.add("d9", ada, 30_000))).toBe("ok");
    });

    test("end with their life: nothing of them stays in Redis", async () => {
      await one.add("d1", principal(), 10_000);
      await one.add("d2", principal(), 30_000);
      await rig.ageTickets(10_000);
      expect([await two.take("d1"), await two.take("d2")]).toEqual([null, principal()]);
      await one.add("d3", principal(), 30_000);
      for (const key of await rig.keys()) expect(await rig.redis.command("PTTL", key)).toBeGreaterThan(0);
      await rig.ageTickets(30_000);
      expect(await rig.keys()).toEqual([]);
    });

    test("leave nothing in Redis once they are taken, and are kept under the digest alone", async () => {
      await one.add("d1", principal({ id: "ada" }), 30_000);
      expect(await rig.keys()).toEqual(["test:tickets", "test:tickets-of:ada", "test:tickets:d1"]);
      await two.take("d1");
      await two.take("d1");
      expect(await rig.keys()).toEqual([]);
    });

    test.each([
      ["no JSON", "{"],
      ["another shape", '{"id":"ada"}'],
      ["an id that is none", JSON.stringify({ ...principal({ id: "a b" }), topics: null })],
      ["a user who is shown as another", JSON.stringify({ ...principal({ id: "ada" }), wireId: "root" })],
      ["an action that is none", JSON.stringify({ ...principal(), topics: [["room:a", ["delete"]]] })],
      ["more than a token could say", JSON.stringify({ ...principal(), name: "x".repeat(70_000) })],
    ])("that hold %s are worth nothing, and are counted", async (_what, stored) => {
      await rig.redis.command("SET", "test:tickets:d1", stored);
      expect(await one.take("d1")).toBeNull();
      expect(reports).toEqual([{ store: "tickets", skipped: 1, inAll: 1 }]);
    });
  });

  describe("while Redis does not work", () => {
    afterEach(async () => {
      rig.redis.resume();
      await rig.stop();
      rig = await RedisRig.start();
    });

    test("are UNAVAILABLE, neither given out nor spent", async () => {
      const store = await started();
      await rig.redis.kill();
      expect(await outcome(() => store.add("d1", principal(), 30_000))).toBe("UNAVAILABLE");
      expect(await outcome(() => store.take("d1"))).toBe("UNAVAILABLE");
    });

    test("are UNAVAILABLE when it hangs", async () => {
      const store = await started();
      rig.redis.pause();
      expect(await outcome(() => store.take("d1"))).toBe("UNAVAILABLE");
    });

    test("are UNAVAILABLE when it is full, and the log says why", async () => {
      const store = await started();
      await rig.redis.command("CONFIG", "SET", "maxmemory", "1");
      expect(await outcome(() => store.add("d1", principal(), 30_000))).toBe("UNAVAILABLE");
      expect(reports).toEqual([{ store: "tickets", refused: "OOM" }]);
    });
  });
});
