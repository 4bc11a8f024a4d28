import { expect, test } from "bun:test";
import { isUtf8 } from "../../src/protocol/utf8.ts";

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
