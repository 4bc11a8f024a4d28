import { describe, expect, test } from "bun:test";
import { CLOSES } from "../../src/protocol/codes.ts";
import { afterClose, afterRefusal, backoffMs } from "./backoff.ts";

test("a client waits anything up to a time that doubles until it is long enough", () => {
  expect([0, 1, 2, 3, 50].map((attempt) => backoffMs(attempt, 0.999_999))).toEqual([99, 199, 399, 799, 1_999]);
  expect(backoffMs(50, 0)).toBe(0);
});

describe("behind the end of a connection a client", () => {
  const THEN = {
    ...{ "may-reconnect": "come-back", "reconnect-later": "come-back", recover: "come-back", wait: "come-back" },
    ...{ "new-token": "new-token", stop: "stop" },
  } as const;
  test.each(Object.entries(CLOSES).map(([code, { then }]) => [Number(code), then] as const))(
    "does as the protocol says: %d, %s",
    (code, then) => {
      expect<string>(afterClose(code, "", 0).then).toBe(THEN[then]);
    },
  );

  test("comes back from a connection that was cut, and not before the time of the reason or the announcement", () => {
    expect(afterClose(1006, "", 0)).toEqual({ then: "come-back", waitMs: 0 });
    expect(afterClose(1012, '{"retryAfterMs":250}', 900)).toEqual({ then: "come-back", waitMs: 250 });
    expect(afterClose(1006, "", 900)).toEqual({ then: "come-back", waitMs: 900 });
  });
});

test.each([
  [0, "come-back"],
  [503, "come-back"],
  [500, "come-back"],
  [429, "come-back"],
  [401, "new-token"],
  [400, "stop"],
  [403, "stop"],
] as const)("behind a handshake that is answered %d it does this: %s", (status, then) => {
  expect(afterRefusal(status, 2_000)).toEqual({ then, waitMs: 2_000 });
});
