import { describe, expect, test } from "bun:test";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { decodeFrame } from "../../src/protocol/decode.ts";
import { HOSTILE_FRAMES, HOSTILE_KEYS, HOSTILE_VALUES, hex } from "../support/hostile-msgpack.ts";
import { formsOfArray, formsOfMap, formsOfNumber, formsOfText, shortest } from "../support/msgpack-forms.ts";

/** `{"x": …}` with the value given as bytes. */
const x = (value: string): Buffer => hex(`81 a1 78 ${value}`);
const text = (value: string): string => Buffer.from(value).toString("hex");
const repeated = (bytes: string, times: number): string => bytes.repeat(times);

function expectRefused(bytes: Uint8Array): void {
  let thrown: unknown;
  try {
    decodeFrame(bytes);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ProtocolError);
  expect(thrown).toHaveProperty("code", "BAD_MESSAGE");
}

describe("refuses with BAD_MESSAGE, before anything is decoded,", () => {
  test.each(HOSTILE_FRAMES)("%s as a frame", (_what, bytes) => expectRefused(hex(bytes)));

  test.each(HOSTILE_VALUES)("%s as a value", (_what, bytes) => expectRefused(x(bytes)));

  test.each(HOSTILE_KEYS)("%s as a key, at every level", (_what, key) => {
    expectRefused(hex(`81 ${key} 01`));
    expectRefused(hex(`82 a1 61 92 80 01 ${key} c3`));
    expectRefused(x(`91 81 ${key} 80`));
  });

  test("the 33rd level, of arrays and of maps, and any deeper one", () => {
    for (const [levels, open] of [
      [32, "91"],
      [32, "81a161"],
      [20_000, "91"],
      [20_000, "81a161"],
    ] as const) {
      expectRefused(x(`${repeated(open, levels - 1)}80`));
    }
  });

  test("1,001 entries", () => {
    expectRefused(hex(`de 03e9 ${repeated("a161c0", 1_001)}`));
  });

  test.each(["c0", "90", "80", "a0", "7f"])("64 KiB of the byte %s", (byte) =>
    expectRefused(hex(repeated(byte, 65_536))),
  );
});

describe("reads", () => {
  test("every form of a value as what JSON would say", () => {
    const numbers = [
      0, 1, -1, 31, -32, -33, 127, 128, -128, -129, 255, 256, 32_767, 32_768, -32_768, -32_769, 65_535, 65_536,
    ];
    numbers.push(2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -(2 ** 53) + 1);
    numbers.push(0.5, -0.5, 1e-300, 2 ** -149, 123_456.789, 2 ** 52 + 0.5);
    const texts = [
      "",
      "a",
      "é",
      "😀",
      "x".repeat(31),
      "x".repeat(32),
      "é".repeat(127),
      "😀".repeat(64),
      "x".repeat(70_000),
    ];
    const cases: [value: unknown, forms: Uint8Array[]][] = [
      ...numbers.map((number): [number, Uint8Array[]] => [number, formsOfNumber(number)]),
      ...texts.map((one): [string, Uint8Array[]] => [one, formsOfText(one)]),
      ...[0, 1, 15, 16, 300].map((n): [unknown, Uint8Array[]] => [
        Array.from({ length: n }, (_, index) => index),
        formsOfArray(Array.from({ length: n }, (_, index) => shortest(index))),
      ]),
      ...[0, 1, 15, 16, 300].map((n): [unknown, Uint8Array[]] => [
        Object.fromEntries(Array.from({ length: n }, (_, index) => [`k${index}`, null])),
        formsOfMap(Array.from({ length: n }, (_, index) => [shortest(`k${index}`), shortest(null)]).flat()),
      ]),
    ];
    for (const [value, forms] of cases) {
      expect(forms.length).toBeGreaterThan(0);
      for (const form of forms) expect(decodeFrame(x(Buffer.from(form).toString("hex")))).toEqual({ x: value });
    }
    expect(cases.flatMap(([, forms]) => forms).length).toBeGreaterThan(200);
  });

  test("32 levels", () => {
    let expected: unknown = {};
    for (let level = 0; level < 30; level += 1) expected = [expected];
    expect(decodeFrame(x(`${repeated("91", 30)}80`))).toEqual({ x: expected });
    expect(decodeFrame(hex(`${repeated("81a161", 31)}80`))).toBeObject();
  });

  test("1,000 entries", () => {
    const entries = Array.from({ length: 1_000 }, (_, n) => `a3${text(String(n).padStart(3, "0"))}c3`);
    expect(Object.keys(decodeFrame(hex(`de 03e8 ${entries.join("")}`)))).toHaveLength(1_000);
  });

  test("the last of duplicate keys, as JSON does", () => {
    expect(decodeFrame(hex(`82 a1 61 01 a1 61 02`))).toEqual({ a: 2 });
  });

  test("keys of Object.prototype as what they are, and pollutes nothing", () => {
    const keys = ["constructor", "prototype", "toString", "then", "toJSON", "length", "hasOwnProperty", "__proto_", ""];
    const bytes = hex(`89${keys.map((key) => `d9${Buffer.of(key.length).toString("hex")}${text(key)}c3`).join("")}`);
    expect(Object.entries(decodeFrame(bytes))).toEqual(keys.map((key) => [key, true]));
    expect(Object.hasOwn(Object.prototype, "admin")).toBe(false);
  });

  test("frames of one connection without what an earlier one defined", () => {
    expectRefused(hex("d4 72 40 93 a1 61 a1 62 a1 63 01 02 03"));
    expect(decodeFrame(x("40"))).toEqual({ x: 64 });
  });

  test("minus zero as JSON does", () => {
    expect(Object.is(decodeFrame(x("cb 8000000000000000"))["x"], -0)).toBe(true);
    expect(Object.is(decodeFrame(x("ca 80000000"))["x"], -0)).toBe(true);
    expect(Object.is(decodeFrame('{"x":-0}')["x"], -0)).toBe(true);
  });

  test("bytes from inside a larger buffer", () => {
    const all = Buffer.concat([
      Buffer.from("ff".repeat(100), "hex"),
      x(`d9 28 ${text("é".repeat(20))}`),
      Buffer.from("ff", "hex"),
    ]);
    expect(decodeFrame(all.subarray(100, -1))).toEqual({ x: "é".repeat(20) });
  });

  test("every kind of refused frame in between without being confused by it", () => {
    const good = x("93 01 81 a1 79 c3 a3 616263");
    for (let cut = 0; cut < good.length; cut += 1) {
      expectRefused(good.subarray(0, cut));
      expect(decodeFrame(good)).toEqual({ x: [1, { y: true }, "abc"] });
    }
  });
});
