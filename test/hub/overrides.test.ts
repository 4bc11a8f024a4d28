import { describe, expect, test } from "bun:test";
import { OVERRIDE_TTL_MS, Overrides, type PermissionChange } from "../../src/hub/overrides.ts";
import { outcome } from "../auth/tokens.ts";
import { principal } from "../support/principal.ts";

const AS_THE_TOKEN: PermissionChange = { roles: null, permissions: null, topics: null };

describe("overrides", () => {
  test("replace what they name and keep everything else as the token says", () => {
    const overrides = new Overrides();
    const bearer = principal({
      id: "ada",
      roles: ["user"],
      permissions: ["p"],
      topics: new Map([["room:*", ["read"]]]),
    });
    overrides.set("ada", { ...AS_THE_TOKEN, roles: [] }, 0);
    expect(overrides.apply(bearer)).toEqual({ ...bearer, roles: [] });
    const topics = new Map([["wallet:*", ["write" as const]]]);
    overrides.set("ada", { roles: ["admin"], permissions: [], topics }, 0);
    expect(overrides.apply(bearer)).toEqual({ ...bearer, roles: ["admin"], permissions: [], topics });
  });

  test("give one object for one token until something changes, and the token's own for everybody else", () => {
    const overrides = new Overrides();
    const [bearer, other] = [principal({ id: "ada" }), principal({ id: "bob" })];
    overrides.set("ada", { ...AS_THE_TOKEN, roles: ["x"] }, 0);
    const effective = overrides.apply(bearer);
    expect(overrides.apply(bearer)).toBe(effective);
    expect(overrides.apply(other)).toBe(other);
    overrides.set("ada", { ...AS_THE_TOKEN, roles: ["x"] }, 0);
    expect(overrides.apply(bearer)).not.toBe(effective);
    overrides.delete("ada");
    expect(overrides.apply(bearer)).toBe(bearer);
  });

  test("end a day after they were last set, and say whose they were", () => {
    const overrides = new Overrides();
    for (const [id, nowMs] of [
      ["ada", 0],
      ["bob", 10],
      ["ada", 20],
    ] as const) {
      overrides.set(id, { ...AS_THE_TOKEN, roles: [] }, nowMs);
    }
    expect(overrides.expire(OVERRIDE_TTL_MS + 9)).toEqual([]);
    expect(overrides.expire(OVERRIDE_TTL_MS + 10)).toEqual(["bob"]);
    expect(overrides.expire(OVERRIDE_TTL_MS + 20)).toEqual(["ada"]);
    expect(overrides.size).toBe(0);
  });

  test("are OVERLOADED at their bound, and take a known user all the same", async () => {
    const overrides = new Overrides(2);
    const set = (id: string) => outcome(() => overrides.set(id, AS_THE_TOKEN, 0));
    expect([await set("a"), await set("b"), await set("c"), await set("a")]).toEqual(["ok", "ok", "OVERLOADED", "ok"]);
    overrides.delete("a");
    expect([await set("c"), overrides.size]).toEqual(["ok", 2]);
  });
});
