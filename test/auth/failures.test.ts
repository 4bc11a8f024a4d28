import { describe, expect, test } from "bun:test";
import { FailedAuthentications } from "../../src/auth/failures.ts";
import { FakeClock } from "../support/clock.ts";
import { outcome } from "./tokens.ts";

describe("The state of failed authentications", () => {
  test("is freed a minute after the last failure", () => {
    const clock = new FakeClock();
    const failures = new FailedAuthentications(3, clock);
    for (let n = 0; n < 100; n++) failures.add(`a${n}`, "x");
    clock.advance(30_000);
    failures.add("a0", "y");
    clock.advance(30_000);
    failures.sweep();
    expect(failures.size).toBe(1);
    clock.advance(30_000);
    failures.sweep();
    expect(failures.size).toBe(0);
  });

  test("holds no more for an address than its limit", () => {
    const failures = new FailedAuthentications(3, new FakeClock());
    for (let n = 0; n < 100; n++) failures.add("a", `t${n}`);
    expect(failures.size).toBe(3);
  });

  test("is bounded for all addresses together, and forgives the one that failed longest ago", async () => {
    const clock = new FakeClock();
    const failures = new FailedAuthentications(2, clock, 10);
    for (let n = 0; n < 5; n++) {
      failures.add(`a${n}`, "x");
      failures.add(`a${n}`, "y");
    }
    failures.add("a0", "x");
    expect(await outcome(() => failures.check("a0"))).toBe("RATE_LIMITED");
    failures.add("b", "x");
    expect(failures.size).toBe(9);
    expect(await outcome(() => failures.check("a0"))).toBe("ok");
    expect(await outcome(() => failures.check("a1"))).toBe("RATE_LIMITED");
    for (let n = 0; n < 1_000; n++) failures.add(`c${n}`, "x");
    expect(failures.size).toBeLessThanOrEqual(10);
  });

  test("counts right when one address could fill it all", async () => {
    const clock = new FakeClock();
    const failures = new FailedAuthentications(1_000_000, clock, 10);
    for (let n = 0; n < 50; n++) failures.add("a", `t${n}`);
    expect(failures.size).toBe(10);
    expect(await outcome(() => failures.check("a"))).toBe("RATE_LIMITED");
    clock.advance(60_000);
    failures.sweep();
    expect(failures.size).toBe(0);
  });

  test("is not moved by the wall clock", async () => {
    const clock = new FakeClock();
    const failures = new FailedAuthentications(1, clock);
    failures.add("a", "x");
    clock.jumpWallClock(3_600_000);
    expect(await outcome(() => failures.check("a"))).toBe("RATE_LIMITED");
  });
});
