import { describe, expect, test } from "bun:test";
import { checkExpiry, checkPulse, EXPIRY_NOTICE_MS, slotsOf, tickMs } from "../../src/hub/heartbeat.ts";

const OPTIONS = { pingIntervalMs: 30_000, pongTimeoutMs: 90_000 };

describe("the heartbeat", () => {
  test("looks once a second and spreads the pings over the interval", () => {
    expect(tickMs(OPTIONS)).toBe(1_000);
    expect(slotsOf(OPTIONS)).toBe(30);
    expect(tickMs({ pingIntervalMs: 1_000, pongTimeoutMs: 2_000 })).toBe(250);
  });

  test("pings in turn, and ends a peer from which nothing came for the time-out, ping turn or not", () => {
    expect(checkPulse(0, 1_000, false, OPTIONS)).toBe("fine");
    expect(checkPulse(0, 1_000, true, OPTIONS)).toBe("ping");
    expect(checkPulse(0, 89_999, true, OPTIONS)).toBe("ping");
    expect(checkPulse(0, 90_000, false, OPTIONS)).toBe("lost");
  });
});

describe("the end of a token", () => {
  const expiresAtMs = 1_000_000;
  test.each([
    ["long before", expiresAtMs - EXPIRY_NOTICE_MS - 1, false, "fine"],
    ["30 s before", expiresAtMs - EXPIRY_NOTICE_MS, false, "announce"],
    ["30 s before, told already", expiresAtMs - EXPIRY_NOTICE_MS, true, "fine"],
    ["within the clock tolerance", expiresAtMs + 4_999, true, "fine"],
    ["behind the clock tolerance", expiresAtMs + 5_000, true, "expired"],
  ])("%s", (_when, nowMs, wasAnnounced, expected) => {
    expect(checkExpiry(expiresAtMs, wasAnnounced, nowMs, 5_000)).toBe(expected as "fine");
  });

  test("never comes for a principal without one, nor early for one in the year 9999", () => {
    expect(checkExpiry(null, false, Number.MAX_SAFE_INTEGER, 0)).toBe("fine");
    expect(checkExpiry(Date.UTC(9999, 0), false, Date.UTC(2026, 0), 0)).toBe("fine");
  });
});
