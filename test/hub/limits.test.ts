import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Buckets, fullBucket, isFull, take } from "../../src/hub/limits.ts";

const RATE = { perSecond: 20, burst: 40 };

describe("a token bucket", () => {
  test("gives its burst at once, then says how long the next token takes", () => {
    const bucket = fullBucket(RATE, 0);
    for (let n = 0; n < 40; n += 1) expect(take(bucket, RATE, 1, 0)).toBe(0);
    expect(take(bucket, RATE, 1, 0)).toBe(50);
    expect(take(bucket, RATE, 2, 0)).toBe(100);
  });

  test("takes nothing when it refuses, and has the token when it said it would", () => {
    const bucket = fullBucket(RATE, 0);
    take(bucket, RATE, 40, 0);
    const waitMs = take(bucket, RATE, 1, 10);
    expect(take(bucket, RATE, 1, 10 + waitMs)).toBe(0);
  });

  test("a clock that stands still or goes back brings no tokens", () => {
    const bucket = fullBucket(RATE, 1_000);
    take(bucket, RATE, 40, 1_000);
    expect(take(bucket, RATE, 1, 0)).toBeGreaterThan(0);
    expect(isFull(bucket, RATE, 3_000)).toBe(true);
  });

  test("never lets more through than its burst and its rate allow", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ waitMs: fc.nat(500), cost: fc.integer({ min: 1, max: 5 }) })), (steps) => {
        const bucket = fullBucket(RATE, 0);
        let nowMs = 0;
        let taken = 0;
        for (const { waitMs, cost } of steps) {
          nowMs += waitMs;
          if (take(bucket, RATE, cost, nowMs) === 0) taken += cost;
        }
        expect(taken).toBeLessThanOrEqual(RATE.burst + (nowMs * RATE.perSecond) / 1_000 + 1e-6);
      }),
    );
  });
});

describe("buckets by key", () => {
  test("one key's use does not cost another", () => {
    const buckets = new Buckets({ perSecond: 1, burst: 1 });
    expect(buckets.take("a", 1, 0)).toBe(0);
    expect(buckets.take("a", 1, 0)).toBe(1_000);
    expect(buckets.take("b", 1, 0)).toBe(0);
  });

  test("state is freed when it is full again", () => {
    const buckets = new Buckets({ perSecond: 1, burst: 2 });
    for (let n = 0; n < 100; n += 1) buckets.take(`k${n}`, 1, 0);
    buckets.sweep(500);
    expect(buckets.size).toBe(100);
    buckets.sweep(1_000);
    expect(buckets.size).toBe(0);
  });

  test("a flood of keys stays within the bound", () => {
    const buckets = new Buckets({ perSecond: 1, burst: 1 }, 10);
    for (let n = 0; n < 1_000; n += 1) buckets.take(`k${n}`, 1, 0);
    expect(buckets.size).toBe(10);
  });
});
