import { beforeEach, describe, expect, test } from "bun:test";
import type { TicketStore } from "../../src/broker/broker.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { principal } from "../support/principal.ts";

export interface TicketStoreBounds {
  readonly perUser: number;
  readonly total: number;
}

export interface StartedTicketStore {
  readonly store: TicketStore;
  /** Lets time pass for the store, and its sweep run. */
  pass(ms: number): Promise<void>;
}

export interface TicketStoreContract {
  readonly name: string;
  readonly start: (bounds: TicketStoreBounds) => Promise<StartedTicketStore>;
  /** Where the store's time is a real one, its moments cannot be held against numbers. */
  readonly hasRealTime?: boolean;
}

const LIFE_MS = 30_000;

/** Every promise of `TicketStore` in `src/broker/broker.ts`, held against one implementation. */
export function ticketStoreContract({ name, start, hasRealTime = false }: TicketStoreContract): void {
  describe(`the ${name} ticket store`, () => {
    let started: StartedTicketStore;
    let store: TicketStore;

    const begin = async (bounds: Partial<TicketStoreBounds> = {}) => {
      started = await start({ perUser: 20, total: 1_000, ...bounds });
      store = started.store;
    };
    const add = async (digest: string, userId = "ada", lifeMs = LIFE_MS) =>
      store.add(digest, principal({ id: userId }), lifeMs);
    const failure = async (run: () => Promise<void>): Promise<ProtocolError | null> => {
      try {
        await run();
        return null;
      } catch (error) {
        if (error instanceof ProtocolError) return error;
        throw error;
      }
    };

    beforeEach(() => begin());

    test("gives back the whole holder of a ticket, and only once", async () => {
      const holder = principal({
        id: "7",
        wireId: 7,
        roles: ["a", "b"],
        permissions: ["p"],
        topics: new Map([["room:*", ["read"]]]),
        follows: ["x"],
        ...{ expiresAtMs: 5, issuedAtMs: 4, jti: "j", sid: "s" },
      });
      await store.add("d1", holder, LIFE_MS);
      expect(await store.take("d1")).toEqual(holder);
      expect(await store.take("d1")).toBeNull();
    });

    test("gives the holder to one of fifty who ask at once", async () => {
      await add("d1");
      const taken = await Promise.all(Array.from({ length: 50 }, async () => store.take("d1")));
      expect(taken.filter((holder) => holder !== null)).toHaveLength(1);
    });

    test("knows no ticket that was never given out", async () => {
      await add("d1");
      expect(await store.take("d2")).toBeNull();
    });

    const why = hasRealTime ? " (skipped: real time does not stand still between two moments)" : "";
    test.skipIf(hasRealTime)(
      `gives back a ticket until the end of its life, and not a moment longer${why}`,
      async () => {
        await add("d1");
        await add("d2");
        await add("d3", "ada", 1_000);
        await started.pass(999);
        await add("d4", "ada", 1);
        await started.pass(1);
        expect([await store.take("d3"), await store.take("d4")]).toEqual([null, null]);
        await started.pass(LIFE_MS - 1_001);
        expect(await store.take("d1")).not.toBeNull();
        await started.pass(1);
        expect(await store.take("d2")).toBeNull();
      },
    );

    test("refuses a user one more than its number until its first one ends, and others not", async () => {
      await begin({ perUser: 3 });
      await add("d1", "ada", 10_000);
      await add("d2", "ada", 5_000);
      await add("d3");
      const refused = await failure(() => add("d4"));
      expect(refused?.code).toBe("RATE_LIMITED");
      const retryAfterMs = refused?.details.retryAfterMs ?? 0;
      if (hasRealTime) expect(Math.abs(retryAfterMs - 2_500)).toBeLessThanOrEqual(2_500);
      else expect(retryAfterMs).toBe(5_000);
      expect(await failure(() => add("b1", "bob"))).toBeNull();
      await started.pass(5_000);
      expect(await failure(() => add("d4"))).toBeNull();
      expect((await failure(() => add("d5")))?.code).toBe("RATE_LIMITED");
    });

    test("counts a ticket that was used no more", async () => {
      await begin({ perUser: 1 });
      for (const digest of ["d1", "d2", "d3"]) {
        await add(digest);
        expect(await store.take(digest)).not.toBeNull();
      }
    });

    test("is full at its bound, and has room again when tickets are used or end", async () => {
      await begin({ total: 3 });
      for (const user of ["a", "b", "c"]) await add(`of-${user}`, user);
      expect((await failure(() => add("of-d", "d")))?.code).toBe("OVERLOADED");
      await store.take("of-a");
      expect(await failure(() => add("of-d", "d"))).toBeNull();
      expect((await failure(() => add("of-e", "e")))?.code).toBe("OVERLOADED");
      await started.pass(LIFE_MS);
      expect(await failure(() => add("of-e", "e"))).toBeNull();
    });
  });
}
