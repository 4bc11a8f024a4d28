import { describe, expect, test } from "bun:test";
import { HandshakeLimit } from "../../src/hub/handshake-limit.ts";
import {
  MAX_RECONNECT_DELAY_MS,
  MIN_REFUSED_DELAY_MS,
  reconnectDelayMs,
  refusedDelayMs,
  SUSTAINED_HANDSHAKES_PER_SECOND,
  TurnedAway,
} from "../../src/hub/reconnects.ts";
import { ERROR_CODES, ERRORS, ProtocolError } from "../../src/protocol/codes.ts";
import { FakeClock } from "../support/clock.ts";

describe("the delay of a connection that is closed to come back", () => {
  test.each([
    [0, 0.5, 0],
    [SUSTAINED_HANDSHAKES_PER_SECOND, 0, 0],
    [SUSTAINED_HANDSHAKES_PER_SECOND, 0.5, 500],
    [SUSTAINED_HANDSHAKES_PER_SECOND, 1, 1_000],
    [10 * SUSTAINED_HANDSHAKES_PER_SECOND, 0.25, 2_500],
    [1_000_000, 1, 30_000],
  ])("with %d of them, at %d of the window, is %d ms", (clients, random, expected) => {
    expect(reconnectDelayMs(clients, random)).toBe(expected);
  });
});

describe("the delay of a handshake that is refused", () => {
  test.each([
    ["alone, is a second or two", 1, 0, 1_000],
    ["alone, is a second or two", 1, 1, 2_000],
    ["with 10,000 others, is spread over the time that they take", 10_000, 0.5, 3_500],
    ["with a million others, is half a minute at most", 1_000_000, 1, 30_000],
  ])("%s", (_which, clients, random, expected) => {
    expect(refusedDelayMs(clients, random)).toBe(expected);
  });
});

describe("clients that the node could not take", () => {
  const delaysOf = (turnedAway: TurnedAway, count: number): number[] =>
    Array.from({ length: count }, () => turnedAway.told(new ProtocolError("OVERLOADED")).details.retryAfterMs ?? 0);

  test("are told delays that fill the time which the node needs for all of them", () => {
    const turnedAway = new TurnedAway(new FakeClock());
    const seconds = 10;
    delaysOf(turnedAway, seconds * SUSTAINED_HANDSHAKES_PER_SECOND);
    const delays = delaysOf(turnedAway, 1_000);
    expect(Math.min(...delays)).toBeWithin(MIN_REFUSED_DELAY_MS, 2_000);
    expect(Math.max(...delays)).toBeWithin(seconds * 1_000 - 500, seconds * 1_000 + 2_000);
    const late = delays.filter((delayMs) => delayMs > MIN_REFUSED_DELAY_MS + (seconds * 1_000) / 2).length;
    expect(late).toBeWithin(350, 650);
  });

  test("count no longer than the node needs to take them back", () => {
    const clock = new FakeClock();
    const turnedAway = new TurnedAway(clock);
    delaysOf(turnedAway, 10 * SUSTAINED_HANDSHAKES_PER_SECOND);
    clock.advance(10_000);
    expect(Math.max(...delaysOf(turnedAway, 100))).toBeWithin(MIN_REFUSED_DELAY_MS, 2_001);
  });

  test("are never told more than half a minute, however many they are", () => {
    const delays = delaysOf(new TurnedAway(new FakeClock()), 100_000);
    expect(Math.max(...delays)).toBeWithin(25_000, MAX_RECONNECT_DELAY_MS + 1);
  });

  test("are told a delay with every code that is worth a later try, and keep one that is known better", () => {
    const turnedAway = new TurnedAway(new FakeClock());
    for (const code of ERROR_CODES) {
      const { details } = turnedAway.told(new ProtocolError(code));
      expect([code, details.retryAfterMs !== undefined]).toEqual([code, ERRORS[code].retry === "later"]);
      expect(turnedAway.told(new ProtocolError(code, { retryAfterMs: 7 })).details).toEqual({ retryAfterMs: 7 });
    }
  });

  test("keep what else is known of their error", () => {
    const cause = new Error("away");
    const told = new TurnedAway(new FakeClock()).told(new ProtocolError("INTERNAL", { correlationId: "c" }, cause));
    expect(told).toMatchObject({ code: "INTERNAL", cause, details: { correlationId: "c" } });
  });
});

describe("handshakes of one address", () => {
  const RATE = { perSecond: 50, burst: 200 };

  test("go on up to the burst", () => {
    const limit = new HandshakeLimit(RATE);
    for (let taken = 0; taken < RATE.burst; taken += 1) expect(limit.take("a", 0, 1)).toBe(0);
    expect(limit.take("a", 0, 0)).toBeGreaterThan(0);
    expect(limit.take("b", 0, 0)).toBe(0);
  });

  test("beyond it are told delays that come to the rate at which the address is let in", () => {
    const limit = new HandshakeLimit(RATE);
    for (let taken = 0; taken < RATE.burst; taken += 1) limit.take("office", 0, 0);
    // An office of a thousand comes at once.
    const delays = Array.from({ length: 800 }, () => limit.take("office", 0, Math.random()));
    expect(Math.min(...delays)).toBeGreaterThan(0);
    expect(Math.max(...delays)).toBeWithin(10_000, 17_000);
    const [perSecond = 0] = [...Map.groupBy(delays, (delayMs) => Math.floor(delayMs / 1_000)).values()]
      .map(({ length }) => length)
      .toSorted((one, other) => other - one);
    expect(perSecond).toBeLessThan(400);
  });

  test("that were refused long ago count no more, and leave nothing behind", () => {
    const limit = new HandshakeLimit(RATE);
    for (let taken = 0; taken < 1_000; taken += 1) limit.take("a", 0, 0);
    for (let taken = 0; taken < RATE.burst; taken += 1) expect(limit.take("a", 20_000, 0)).toBe(0);
    expect(limit.take("a", 20_000, 1)).toBeLessThanOrEqual(1_020);
  });
});
