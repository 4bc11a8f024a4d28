import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { backoffMs } from "../../src/client/backoff.ts";
import { Emitter } from "../../src/client/emitter.ts";
import { GRACE_MS, silence } from "../../src/client/silence.ts";
import { steadyClock } from "../../src/client/steady-clock.ts";
import { verdictOf, waitMs } from "../../src/client/verdict.ts";
import { CLOSES } from "../../src/protocol/codes.ts";

const BACKOFF = { minDelayMs: 500, maxDelayMs: 30_000 };

describe("the wait before an attempt", () => {
  test("is a random part of a time that doubles up to its bound", () => {
    expect([0, 1, 2, 6, 7, 2_000].map((attempt) => backoffMs(BACKOFF, attempt, 0.999_999_999))).toEqual([
      expect.closeTo(500, 3),
      expect.closeTo(1_000, 3),
      expect.closeTo(2_000, 3),
      ...[30_000, 30_000, 30_000].map((ms) => expect.closeTo(ms, 3)),
    ]);
    expect(backoffMs(BACKOFF, 5, 0)).toBe(0);
  });

  test("is at least what the node asked for, and what a timer can hold at most", () => {
    const wait = (reason: string) => waitMs(verdictOf(1012, reason), BACKOFF, 0, 0.5);
    expect(wait('{"retryAfterMs":4000}')).toBe(4_000);
    expect(wait('{"retryAfterMs":100}')).toBe(250);
    expect(wait('{"retryAfterMs":1e300}')).toBe(3_600_000);
    for (const reason of [
      "",
      "{",
      "null",
      "[]",
      '{"retryAfterMs":-5}',
      '{"retryAfterMs":"5"}',
      '{"retryAfterMs":null}',
    ])
      expect(wait(reason)).toBe(250);
  });

  test("is a long one at once where another connection has to end first", () => {
    expect(waitMs(verdictOf(4008), BACKOFF, 0, 0.5)).toBe(15_000);
  });
});

describe("the verdict on a close", () => {
  test("is the one of the protocol's table for every code that is in it", () => {
    for (const [code, { name, then }] of Object.entries(CLOSES))
      expect(verdictOf(Number(code))).toMatchObject({ then, why: { name } });
  });

  test("is to come back where no code was sent, and to stop at a code that the application chose", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 4_999 }), (code) => {
        if (code in CLOSES) return;
        expect(verdictOf(code).then).toBe(code < 4_000 ? "may-reconnect" : "stop");
      }),
    );
  });
});

describe("silence", () => {
  const terms = { intervalMs: 30_000, timeoutMs: 90_000 };

  test("is looked at when the interval is over, and ends a connection that was asked only after both bounds", () => {
    expect(silence({ heardMs: 1_000, askedMs: null }, terms, 1_000)).toBe(30_000);
    expect(silence({ heardMs: 0, askedMs: 30_000 }, terms, 30_000)).toBe(60_000);
    fc.assert(
      fc.property(fc.nat(1e9), fc.nat(1e9), fc.nat(1e9), (heardMs, waitedMs, laterMs) => {
        const askedMs = heardMs + waitedMs;
        if (silence({ heardMs, askedMs }, terms, askedMs + laterMs) > 0) return;
        expect(laterMs).toBeGreaterThanOrEqual(GRACE_MS);
        expect(waitedMs + laterMs).toBeGreaterThanOrEqual(terms.timeoutMs);
      }),
    );
  });
});

describe("the clock", () => {
  test("never goes back, and follows the time", () => {
    const clock = steadyClock();
    const first = clock.monotonic();
    const second = clock.monotonic();
    expect(first).toBeGreaterThanOrEqual(0);
    expect(second).toBeGreaterThanOrEqual(first);
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(10_000);
  });

  test("counts a sleep that the other clocks of the machine do not, and no step back", () => {
    const { now } = Date;
    let shiftMs = 0;
    Date.now = () => now() + shiftMs;
    try {
      const clock = steadyClock();
      const startMs = clock.monotonic();
      shiftMs = 3_600_000;
      const awakeMs = clock.monotonic();
      expect(awakeMs - startMs).toBeGreaterThanOrEqual(3_600_000);
      shiftMs = 0;
      expect(clock.monotonic()).toBeGreaterThanOrEqual(awakeMs);
    } finally {
      Date.now = now;
    }
  });
});

describe("an event", () => {
  test("goes to who listens while it is told, and not to who stopped", () => {
    const emitter = new Emitter<{ told: number }>();
    const got: number[] = [];
    const off = emitter.on("told", (value) => got.push(value));
    emitter.emit("told", 1);
    off();
    emitter.emit("told", 2);
    expect(got).toEqual([1]);
  });
});
