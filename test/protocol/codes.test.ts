import { describe, expect, test } from "bun:test";
import { CLOSES, ERROR_CODES, ERRORS, ProtocolError, retryAfterMsOf } from "../../src/protocol/codes.ts";

describe("the table of codes", () => {
  test("every close code of an error is in the table of close codes", () => {
    const unknown = Object.values(ERRORS).filter(({ close }) => close !== 0 && !(close in CLOSES));
    expect(unknown).toEqual([]);
  });

  test("an error that ends a connection for good is never one to repeat later", () => {
    for (const { close, retry } of Object.values(ERRORS)) {
      const then = Object.entries(CLOSES).find(([code]) => Number(code) === close)?.[1].then;
      if (then === "stop") expect(retry).toBe("no");
    }
  });

  test("an error's message is the table's text, whatever caused it", () => {
    const error = new ProtocolError("AUTH_FAILED", {}, new Error("token eyJhbGciOi.secret.part"));
    expect(error.message).toBe(ERRORS.AUTH_FAILED.text);
    expect(JSON.stringify([error.message, error.code, error.details])).not.toContain("secret");
  });

  test("an error that is worth another try says when, and no other does", () => {
    for (const code of ERROR_CODES) {
      const isWorthIt = ["later", "same-id"].includes(ERRORS[code].retry);
      expect([code, retryAfterMsOf(new ProtocolError(code)) !== undefined]).toEqual([code, isWorthIt]);
      expect(retryAfterMsOf(new ProtocolError(code, { retryAfterMs: 0 }))).toBe(0);
    }
  });

  test("application close codes lie between 4000 and 4999", () => {
    const own = Object.keys(CLOSES)
      .map(Number)
      .filter((code) => code >= 1_016);
    expect(own.every((code) => code >= 4_000 && code <= 4_999)).toBe(true);
  });
});
