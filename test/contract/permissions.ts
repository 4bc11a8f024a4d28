import { beforeEach, describe, expect, test } from "bun:test";
import type { PermissionStore } from "../../src/broker/broker.ts";
import { PERMISSION_LIFE_MS } from "../../src/broker/memory-permissions.ts";
import type { PermissionChange } from "../../src/protocol/principal.ts";
import { outcome } from "../auth/tokens.ts";

export interface StartedPermissionStore {
  readonly store: PermissionStore;
  /** Lets time pass for the store; its sweep is left to the suite. */
  pass(ms: number): Promise<void>;
}

export interface PermissionStoreContract {
  readonly name: string;
  readonly start: (maxUsers: number) => Promise<StartedPermissionStore>;
}

export const AS_THE_TOKEN: PermissionChange = { roles: null, permissions: null, topics: null };

/** Every promise of `PermissionStore` in `src/broker/broker.ts`, held against one implementation. */
export function permissionStoreContract({ name, start }: PermissionStoreContract): void {
  describe(`the ${name} permission store`, () => {
    let started: StartedPermissionStore;
    let store: PermissionStore;

    const begin = async (maxUsers = 1_000) => {
      started = await start(maxUsers);
      store = started.store;
    };
    const set = async (userId: string, change: Partial<PermissionChange> = {}) =>
      store.set(userId, { ...AS_THE_TOKEN, ...change });

    beforeEach(() => begin());

    test("knows nothing of anybody, and then the whole change from the moment that setting it has ended", async () => {
      expect([store.ready, store.size, store.find("ada")]).toEqual([true, 0, null]);
      const change: PermissionChange = {
        roles: ["a", "b"],
        permissions: [],
        topics: new Map([
          ["room:*", ["read"]],
          ["__proto__", ["write", "presence"]],
        ]),
      };
      await store.set("ada", change);
      await set("bob", { permissions: ["p"] });
      expect([store.find("ada"), store.find("bob"), store.find("carl")]).toEqual([
        change,
        { ...AS_THE_TOKEN, permissions: ["p"] },
        null,
      ]);
      expect(store.size).toBe(2);
    });

    test("gives the same object until something else is said of the user, also when that is the same again", async () => {
      await set("ada", { roles: [] });
      const first = store.find("ada");
      await set("bob", { roles: [] });
      store.sweep();
      expect(store.find("ada")).toBe(first);
      await set("ada", { roles: [] });
      expect(store.find("ada")).toEqual(first);
      expect(store.find("ada")).not.toBe(first);
    });

    test("replaces a change as a whole", async () => {
      await set("ada", { roles: ["a"], permissions: ["p"] });
      await set("ada", { roles: ["b"] });
      expect(store.find("ada")).toEqual({ ...AS_THE_TOKEN, roles: ["b"] });
      expect(store.size).toBe(1);
    });

    test("takes a change back, and one that was never made as well, and takes another one then", async () => {
      await set("ada", { roles: [] });
      await store.clear("ada");
      await store.clear("ada");
      await store.clear("bob");
      expect([store.size, store.find("ada")]).toEqual([0, null]);
      await set("ada", { roles: ["b"] });
      expect(store.find("ada")?.roles).toEqual(["b"]);
    });

    test("forgets a change a day after it was last set, and says whose it was", async () => {
      await set("ada", { roles: [] });
      await set("carl", { roles: [] });
      await started.pass(60_000);
      await set("bob", { roles: [] });
      await set("ada", { roles: [] });
      await started.pass(PERMISSION_LIFE_MS - 60_001);
      expect(store.sweep()).toEqual([]);
      await started.pass(1);
      expect([store.find("carl"), store.find("bob")]).toEqual([null, { ...AS_THE_TOKEN, roles: [] }]);
      expect(store.sweep()).toEqual(["carl"]);
      await started.pass(60_000);
      expect(store.sweep().toSorted()).toEqual(["ada", "bob"]);
      expect([store.size, store.sweep()]).toEqual([0, []]);
    });

    test("is OVERLOADED at its bound, takes a known user all the same, and has room when one is taken back", async () => {
      await begin(2);
      const codes = [];
      for (const userId of ["a", "b", "c", "a"]) codes.push(await outcome(() => set(userId)));
      expect(codes).toEqual(["ok", "ok", "OVERLOADED", "ok"]);
      expect(store.find("c")).toBeNull();
      await store.clear("a");
      expect([await outcome(() => set("c")), store.size]).toEqual(["ok", 2]);
      for (const userId of ["b", "c"]) await store.clear(userId);
      for (const userId of ["d", "e"]) expect(await outcome(() => set(userId))).toBe("ok");
    });
  });
}
