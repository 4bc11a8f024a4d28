import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { decodeFrame } from "../../src/protocol/decode.ts";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return "none";
}

const SEED = 20_261_126;

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const wide = (entries: number) => `{${Array.from({ length: entries }, (_, n) => `"k${n}":0`).join(",")}}`;

describe("decoding a frame", () => {
  test.each([
    ["null", "null"],
    ["an array", "[]"],
    ["an array of null", "[null]"],
    ["a string", '""'],
    ["a number", "0"],
    ["true", "true"],
    ["nothing", ""],
    ["white space", " \n"],
    ["a byte order mark", '\ufeff{"type":"ping"}'],
    ["broken JSON", '{"type":'],
    ["two values", '{"type":"ping"}{}'],
    ["NaN", '{"a":NaN}'],
    ["a number too large for a double", '{"a":1e999}'],
    ["an integer that is not safe", '{"a":9007199254740993}'],
    ["an integral number that is not safe", '{"a":1e300}'],
    ["a lone surrogate", '{"a":"\\ud800"}'],
    ["a lone surrogate as a key", '{"\\ud800":1}'],
    ["__proto__", '{"a":{"__proto__":{"admin":true}}}'],
    ["__proto__ spelled with an escape", '{"\\u005f_proto__":1}'],
    ["33 levels", nested(33)],
    ["10,000 levels", nested(10_000)],
    ["100,000 opening brackets", "[".repeat(100_000)],
    ["60,000 bytes of nested arrays", `{"a":${"[".repeat(30_000)}${"]".repeat(30_000)}}`],
    ["1,001 entries in one map", wide(1_001)],
  ])("refuses %s with BAD_MESSAGE", (_what, text) => {
    expect(codeOf(() => decodeFrame(text))).toBe("BAD_MESSAGE");
  });

  test("refuses JSON in a binary frame with BAD_MESSAGE", () => {
    expect(codeOf(() => decodeFrame(Buffer.from('{"type":"ping"}')))).toBe("BAD_MESSAGE");
  });

  test.each([
    ["32 levels", nested(32)],
    ["1,000 entries", wide(1_000)],
    ["constructor as an ordinary key", '{"constructor":{"prototype":{"x":1}}}'],
    ["the largest safe integer", '{"a":9007199254740991}'],
    ["a paired surrogate", '{"a":"\\ud83d\\ude00"}'],
    ["keys like then and toJSON", '{"then":"x","toJSON":"y","length":3}'],
  ])("accepts %s", (_what, text) => {
    expect(decodeFrame(text)).toEqual(JSON.parse(text));
  });

  test("lets the last of duplicate keys win, and pollutes no prototype", () => {
    expect(decodeFrame('{"type":"auth","type":"ping"}')["type"]).toBe("ping");
    codeOf(() => decodeFrame('{"__proto__":{"admin":true}}'));
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });

  test("never throws anything but BAD_MESSAGE, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: "binary" }), (text) =>
        ["none", "BAD_MESSAGE"].includes(codeOf(() => decodeFrame(text))),
      ),
      { seed: SEED, numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.json(), (text) => ["none", "BAD_MESSAGE"].includes(codeOf(() => decodeFrame(text)))),
      { seed: SEED, numRuns: 1_000 },
    );
  });
});
