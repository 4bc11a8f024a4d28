import { describe, expect, test } from "bun:test";
import { cutReason, sendableCode } from "../../src/engine/close-frame.ts";
import { CLOSES } from "../../src/protocol/codes.ts";

describe("a close reason", () => {
  test.each([
    ["", ""],
    ["x".repeat(123), "x".repeat(123)],
    ["x".repeat(124), "x".repeat(123)],
    ["é".repeat(61), "é".repeat(61)],
    ["é".repeat(62), "é".repeat(61)],
    [`x${"é".repeat(61)}`, `x${"é".repeat(61)}`],
    ["€".repeat(42), "€".repeat(41)],
    ["😀".repeat(31), "😀".repeat(30)],
    [`${"x".repeat(121)}😀`, "x".repeat(121)],
  ])("fits in 123 bytes and ends with a whole character (case %#)", (reason, expected) => {
    expect(cutReason(reason)).toBe(expected);
    expect(Buffer.byteLength(cutReason(reason))).toBeLessThanOrEqual(123);
  });
});

describe("a close code", () => {
  test.each(Object.keys(CLOSES).map(Number))("%d of the table is sent as it is", (code) => {
    expect(sendableCode(code)).toBe(code);
  });

  test.each([4000, 4321, 4999])("%d, which is left to applications, is sent as it is", (code) => {
    expect(sendableCode(code)).toBe(code);
  });

  test.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, -1, 1.5, Number.NaN])("%d is replaced by 1011", (code) => {
    expect(sendableCode(code)).toBe(1011);
  });
});
