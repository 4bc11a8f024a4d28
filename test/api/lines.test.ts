import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Lines } from "../../src/api/lines.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { inChunks } from "./chunks.ts";

const SEED = 20_261_126;

/** The lines, and the code of what ended them. */
function linesOf(chunks: readonly Uint8Array[], maxBytes = 1_000): string[] {
  const lines = new Lines(maxBytes);
  const found: string[] = [];
  try {
    for (const chunk of chunks) {
      for (const line of lines.push(chunk)) found.push(line);
    }
    for (const line of lines.end()) found.push(line);
  } catch (error) {
    found.push(error instanceof ProtocolError ? `! ${error.code}` : String(error));
  }
  return found;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("lines", () => {
  test.each([
    ["a\nb\n", ["a", "b"]],
    ["a\r\nb\r\n", ["a", "b"]],
    ["a\rb\r", ["a", "b"]],
    ["a\n\r\nb", ["a", "", "b"]],
    ["a\r\r\nb", ["a", "", "b"]],
    ["\n\n", ["", ""]],
    ["", []],
    ["\ufeffa\n\ufeffb\n", ["a", "\ufeffb"]],
    ["\ufeff\ufeffa", ["\ufeffa"]],
    ["é€😀\u2028x\u0085y\n", ["é€😀\u2028x\u0085y"]],
  ])("of %j are these, whichever way the bytes are cut", (text, expected) => {
    expect(linesOf([bytes(text)])).toEqual(expected);
    expect(linesOf([...bytes(text)].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
  });

  test("a line comes as soon as its end does, also when that end is half of a CRLF", () => {
    const lines = new Lines(100);
    expect([...lines.push(bytes("one\r"))]).toEqual(["one"]);
    expect([...lines.push(bytes("\ntw"))]).toEqual([]);
    expect([...lines.push(bytes("o\n"))]).toEqual(["two"]);
  });

  test("bytes of a chunk that is used again are not mixed up", () => {
    const lines = new Lines(100);
    const chunk = bytes("abc");
    expect([...lines.push(chunk)]).toEqual([]);
    chunk.fill(0x78);
    expect([...lines.push(bytes("\n"))]).toEqual(["abc"]);
  });

  test("a line over the bound and bytes that are no UTF-8 are refused, behind the lines before them", () => {
    expect(linesOf([bytes("ok\n12345\n123456\n")], 5)).toEqual(["ok", "12345", "! MESSAGE_TOO_LARGE"]);
    expect(linesOf([Uint8Array.of(0x61, 0x0a, 0xc3, 0x28, 0x0a)])).toEqual(["a", "! BAD_REQUEST"]);
    expect(linesOf([Uint8Array.of(0x61, 0x0a, 0xe2, 0x82)])).toEqual(["a", "! BAD_REQUEST"]);
  });

  test("of any bytes are the same, whichever way these are cut", () => {
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0x61, 0xc3, 0xa9, 0xef, 0xbb, 0xbf), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 60 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        (given, sizes) => {
          const whole = Uint8Array.from(given);
          expect(linesOf(inChunks(whole, sizes), 8)).toEqual(linesOf([whole], 8));
        },
      ),
      { seed: SEED, numRuns: 500 },
    );
  });
});
