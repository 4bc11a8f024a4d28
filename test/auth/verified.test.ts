import { describe, expect, test } from "bun:test";
import { principalOf } from "../../src/auth/claims.ts";
import { VerifiedTokens } from "../../src/auth/verified.ts";
import { FakeClock } from "../support/clock.ts";
import { claims, NOW_S, OPTIONS } from "./tokens.ts";

const FOREVER = Number.POSITIVE_INFINITY;

function principal(exp: number) {
  return principalOf(claims({ exp }), "JWT", OPTIONS, NOW_S * 1000);
}

describe("The cache of verified tokens", () => {
  test("is emptied when the key set changes, also for a verification that is under way", () => {
    const verified = new VerifiedTokens(10, new FakeClock());
    const alice = principal(NOW_S + 60);
    verified.add("a", alice, verified.generation, FOREVER);
    expect(verified.get("a")).toBe(alice);
    const before = verified.generation;
    verified.clear();
    verified.add("b", alice, before, FOREVER);
    expect(verified.get("a")).toBeNull();
    expect(verified.get("b")).toBeNull();
    expect(verified.size).toBe(0);
  });

  test("never takes what is expired", () => {
    const verified = new VerifiedTokens(10, new FakeClock());
    verified.add("a", principal(NOW_S - 1), verified.generation, FOREVER);
    expect(verified.size).toBe(0);
  });

  test("never holds more than its bound, and drops what was not used for longest", () => {
    const verified = new VerifiedTokens(2, new FakeClock());
    for (const digest of ["a", "b"]) verified.add(digest, principal(NOW_S + 60), verified.generation, FOREVER);
    verified.get("a");
    verified.add("c", principal(NOW_S + 60), verified.generation, FOREVER);
    expect(verified.size).toBe(2);
    expect(verified.get("a")).not.toBeNull();
    expect(verified.get("b")).toBeNull();
  });

  test("frees what expired once everything of its time has, and keeps the rest", () => {
    const clock = new FakeClock();
    const verified = new VerifiedTokens(2_000, clock);
    for (let n = 0; n < 1_200; n++) verified.add(`old${n}`, principal(NOW_S + 60), verified.generation, FOREVER);
    for (let n = 0; n < 300; n++) verified.add(`new${n}`, principal(NOW_S + 600), verified.generation, FOREVER);
    verified.sweep();
    expect(verified.size).toBe(1_500);
    clock.advance(60_000);
    verified.sweep();
    expect(verified.size).toBe(300);
    expect(verified.get("old1199")).toBeNull();
    expect(verified.get("new0")).not.toBeNull();
    clock.advance(540_000);
    verified.sweep();
    expect(verified.size).toBe(0);
  });

  test("gives an expired token to nobody, also while the rest of its time still counts", () => {
    const clock = new FakeClock();
    const verified = new VerifiedTokens(2_000, clock);
    verified.add("short", principal(NOW_S + 60), verified.generation, FOREVER);
    verified.add("long", principal(NOW_S + 600), verified.generation, FOREVER);
    clock.advance(60_000);
    expect(verified.get("short")).toBeNull();
    expect(verified.get("long")).not.toBeNull();
  });
});
