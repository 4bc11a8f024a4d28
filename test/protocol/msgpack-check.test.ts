import { describe, expect, test } from "bun:test";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { decodeFrame } from "../../src/protocol/decode.ts";
import { isUtf8 } from "../../src/protocol/utf8.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
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
  test.each([
    ["nothing", ""],
    ["the byte c1", "c1"],
    ["an integer", "01"],
    ["null", "c0"],
    ["a text", "a4 70 69 6e 67"],
    ["an array", "91 80"],
    ["an array of 2^32-1 items in five bytes", "dd ff ff ff ff"],
    ["a map of 2^32-1 entries in five bytes", "df ff ff ff ff"],
    ["a text of 2^32-1 bytes in five bytes", "db ff ff ff ff"],
    ["a bin of 2^32-1 bytes in five bytes", "c6 ff ff ff ff"],
    ["an extension of 2^32-1 bytes in five bytes", "c9 ff ff ff ff"],
    ["two objects", "80 80"],
    ["a byte behind the object", "80 c0"],
    ["a map that ends early", "82 a1 61 01"],
    ["a map that ends behind a key", "81 a1 61"],
    ["a length that ends early", "de 00"],
  ])("%s as a frame", (_what, bytes) => expectRefused(hex(bytes)));

  test.each([
    ["an array of 2^32-1 items", "dd ff ff ff ff"],
    ["an array longer than what is left", "dc 00 03 01 02"],
    ["a map longer than what is left", "de 00 02 a1 61 01 a1 62"],
    ["a map of 2^32-1 entries", "df ff ff ff ff"],
    ["a text longer than what is left", "d9 05 61 62 63 64"],
    ["a text of 2^32-1 bytes", "db ff ff ff ff 61"],
    ["nested arrays of 65,535 items", repeated("dcffff", 20_000)],
    ["nested arrays of a million items", repeated("dd00100000", 10_000)],
    ["bin", "c4 01 00"],
    ["bin 16", "c5 00 01 00"],
    ["bin 32", "c6 00 00 00 01 00"],
    ["the extension 0, undefined to some", "d4 00 00"],
    ["a record", "d4 72 40 91 a1 61 01"],
    ["a record of two bytes", "d5 72 40 00 91 a1 61 01"],
    ["a pointer", "d6 70 00000001"],
    ["an identified object", "d6 69 00000001 81 a1 61 d6 70 00000001"],
    ["a regular expression", "d4 78 00 92 a1 61 a1 67"],
    ["an error", "d4 65 00 92 a5 4572726f72 a1 78"],
    ["an error of the name __proto__", "d4 65 00 92 a9 5f5f70726f746f5f5f a1 78"],
    ["a set", "d4 73 00 91 01"],
    ["a typed array", "c7 03 74 01 01 02"],
    ["bundled strings", "d6 62 00000005"],
    ["a large integer", "c7 09 42 01 0000000000000000"],
    ["a timestamp", "d6 ff 00000000"],
    ["a timestamp of 64 bits", "d7 ff 0000000000000000"],
    ["an invalid date", "c7 01 ff 00"],
    ["an extension of 16 bytes", `d8 01 ${repeated("00", 16)}`],
    ["an extension of 8 bits", "c7 00 01"],
    ["an extension of 16 bits", "c8 00 00 01"],
    ["an extension of 32 bits", "c9 00 00 00 00 01"],
    ["the byte c1", "c1"],
    ["the largest uint64", "cf ffffffffffffffff"],
    ["2^53", "cf 0020000000000000"],
    ["the least int64", "d3 8000000000000000"],
    ["2^53 as an int64", "d3 0020000000000000"],
    ["-2^53", "d3 ffe0000000000000"],
    ["-2^53 - 1", "d3 ffdfffffffffffff"],
    ["NaN", "cb 7ff8000000000000"],
    ["another NaN", "cb fff0000000000001"],
    ["Infinity", "cb 7ff0000000000000"],
    ["-Infinity", "cb fff0000000000000"],
    ["NaN in 32 bits", "ca 7fc00000"],
    ["Infinity in 32 bits", "ca 7f800000"],
    ["-Infinity in 32 bits", "ca ff800000"],
    ["1e300, a whole number", "cb 7e37e43c8800759c"],
    ["2^53 as a float", "cb 4340000000000000"],
    ["-2^53 as a float", "cb c340000000000000"],
    ["2^53 as a float of 32 bits", "ca 5a000000"],
    ["an integer cut off", "cd 01"],
    ["a float cut off", "cb 00000000000000"],
    ["a broken sequence", "a2 c3 28"],
    ["a broken sequence in a long text", `d9 46 ${repeated("61", 68)} c328`],
    ["an overlong form of two bytes", "a2 c0 af"],
    ["an overlong form of three bytes", "a3 e0 9f bf"],
    ["an overlong form of four bytes", "a4 f0 8f bf bf"],
    ["a surrogate", "a3 ed a0 80"],
    ["a pair of surrogates", "a6 ed a0 bd ed b8 80"],
    ["a code point over U+10FFFF", "a4 f4 90 80 80"],
    ["a byte that no text begins with", "a4 f5 80 80 80"],
    ["a sequence cut off by the end of its text", "92 a1 c3 a1 a9"],
    ["a lone continuation byte", "a1 80"],
  ])("%s as a value", (_what, bytes) => expectRefused(x(bytes)));

  test.each([
    ["an integer", "01"],
    ["null", "c0"],
    ["true", "c3"],
    ["an array", "91 a1 61"],
    ["a map", "80"],
    ["NaN", "cb 7ff8000000000000"],
    ["bin", "c4 01 61"],
    ["__proto__", "a9 5f5f70726f746f5f5f"],
    ["__proto__ in a longer form", "d9 09 5f5f70726f746f5f5f"],
    ["__proto__ in the longest form", "db 00000009 5f5f70726f746f5f5f"],
    ["broken UTF-8", "a2 c3 28"],
  ])("%s as a key, at every level", (_what, key) => {
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

test("what is UTF-8 is what the platform's strict decoder takes, for every lead of three bytes and many of four", () => {
  const strict = new TextDecoder("utf-8", { fatal: true });
  const isTaken = (bytes: Uint8Array): boolean => {
    try {
      strict.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
  const differing: string[] = [];
  for (let first = 0; first < 256; first += 1) {
    for (let second = 0; second < 256; second += 1) {
      for (const rest of [[], ...edges.map((byte) => [byte]), ...edges.map((byte) => [byte, 0x80]), [0x80, 0x7f]]) {
        const bytes = Uint8Array.of(first, second, ...rest);
        if (isUtf8(bytes, 0, bytes.length) !== isTaken(bytes)) differing.push(Buffer.from(bytes).toString("hex"));
      }
    }
  }
  expect(differing).toEqual([]);
});
