import { beforeEach, describe, expect, test } from "bun:test";
import type { Revocation, RevocationStore } from "../../src/broker/broker.ts";
import { outcome } from "../auth/tokens.ts";

export interface StartedRevocationStore {
  readonly store: RevocationStore;
  /** The wall clock of the store. */
  now(): number;
  /** Lets time pass for the store, and its sweep run. */
  pass(ms: number): Promise<void>;
}

export interface RevocationStoreContract {
  readonly name: string;
  readonly start: (maxRevocations: number) => Promise<StartedRevocationStore>;
}

const HOUR_MS = 3_600_000;

/** Every promise of `RevocationStore` in `src/broker/broker.ts`, held against one implementation. */
export function revocationStoreContract({ name, start }: RevocationStoreContract): void {
  describe(`the ${name} revocation store`, () => {
    let started: StartedRevocationStore;
    let store: RevocationStore;

    const begin = async (maxRevocations = 1_000) => {
      started = await start(maxRevocations);
      store = started.store;
    };
    const add = async (value: string, fields: Partial<Revocation> = {}) =>
      store.add({ kind: "jti", value, issuedBeforeMs: null, untilMs: started.now() + HOUR_MS, ...fields });

    beforeEach(() => begin());

    test("knows a revocation from the moment that adding it has ended", async () => {
      const revocation = { kind: "sub", value: "ada", issuedBeforeMs: 5, untilMs: started.now() + HOUR_MS } as const;
      expect(store.find("sub", "ada")).toBeNull();
      await store.add(revocation);
      expect(store.find("sub", "ada")).toEqual(revocation);
    });

    test("tells tokens, sessions and users of the same name apart", async () => {
      await add("x", { kind: "sid" });
      expect([store.find("jti", "x"), store.find("sub", "x")]).toEqual([null, null]);
      expect(store.find("sid", "x")).not.toBeNull();
    });

    test.each([
      [1_000, 2_000, 2_000],
      [2_000, 1_000, 2_000],
      [null, 1_000, null],
      [1_000, null, null],
    ])("makes one of those issued up to %p and up to %p: up to %p", async (first, second, both) => {
      await add("x", { issuedBeforeMs: first });
      await add("x", { issuedBeforeMs: second });
      expect(store.find("jti", "x")?.issuedBeforeMs).toBe(both);
      expect(store.size).toBe(1);
    });

    test("keeps the later end of two, whichever came first", async () => {
      const laterMs = started.now() + 2 * HOUR_MS;
      for (const ends of [
        [laterMs, started.now() + 1],
        [started.now() + 1, laterMs],
      ]) {
        await begin();
        for (const untilMs of ends) await add("x", { untilMs });
        expect(store.find("jti", "x")?.untilMs).toBe(laterMs);
      }
    });

    test("forgets a revocation at its end, and its place", async () => {
      await add("x", { untilMs: started.now() + 1_000 });
      await add("y");
      await started.pass(999);
      expect(store.find("jti", "x")).not.toBeNull();
      await started.pass(1);
      expect(store.find("jti", "x")).toBeNull();
      await started.pass(1_000);
      expect(store.size).toBe(1);
      expect(store.find("jti", "y")).not.toBeNull();
    });

    test("refuses one more than its bound, takes a known one all the same, and has room when others end", async () => {
      await begin(3);
      await add("a", { kind: "sub", untilMs: started.now() + 1_000 });
      await add("b");
      await add("c", { kind: "sid" });
      expect(await outcome(() => add("d"))).toBe("OVERLOADED");
      expect(store.find("jti", "d")).toBeNull();
      expect(await outcome(() => add("b"))).toBe("ok");
      await started.pass(1_000);
      expect(await outcome(() => add("d"))).toBe("ok");
      expect(await outcome(() => add("e"))).toBe("OVERLOADED");
    });
  });
}
