import { describe, expect, test } from "bun:test";
import { MemoryPermissions } from "../../src/broker/memory-permissions.ts";
import { Overrides } from "../../src/hub/overrides.ts";
import type { PermissionChange } from "../../src/protocol/principal.ts";
import { FakeClock } from "../support/clock.ts";
import { principal } from "../support/principal.ts";

const AS_THE_TOKEN: PermissionChange = { roles: null, permissions: null, topics: null };

describe("overrides", () => {
  test("replace what they name and keep everything else as the token says", () => {
    const store = new MemoryPermissions(new FakeClock());
    const overrides = new Overrides(store);
    const bearer = principal({
      id: "ada",
      roles: ["user"],
      permissions: ["p"],
      topics: new Map([["room:*", ["read"]]]),
    });
    store.set("ada", { ...AS_THE_TOKEN, roles: [] });
    expect(overrides.apply(bearer)).toEqual({ ...bearer, roles: [] });
    const topics = new Map([["wallet:*", ["write" as const]]]);
    store.set("ada", { roles: ["admin"], permissions: [], topics });
    expect(overrides.apply(bearer)).toEqual({ ...bearer, roles: ["admin"], permissions: [], topics });
  });

  test("give one object for one token until something changes, and the token's own for everybody else", () => {
    const store = new MemoryPermissions(new FakeClock());
    const overrides = new Overrides(store);
    const [bearer, other] = [principal({ id: "ada" }), principal({ id: "bob" })];
    const change = { ...AS_THE_TOKEN, roles: ["x"] };
    store.set("ada", change);
    const effective = overrides.apply(bearer);
    expect(overrides.apply(bearer)).toBe(effective);
    expect(overrides.apply(other)).toBe(other);
    store.set("ada", change);
    expect(overrides.apply(bearer)).not.toBe(effective);
    store.clear("ada");
    expect(overrides.apply(bearer)).toBe(bearer);
  });
});
