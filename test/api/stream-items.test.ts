import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MAX_ITEM_BYTES, StreamItems, type StreamType, streamTypeOf } from "../../src/api/stream-items.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { inChunks } from "./chunks.ts";

const SEED = 20_261_126;
const NDJSON = "application/x-ndjson";
const SSE = "text/event-stream";

/** The items as `[event, data]`, and the code of what ended them. */
function itemsOf(type: StreamType, chunks: readonly Uint8Array[]): unknown[] {
  const items = new StreamItems(type);
  const found: unknown[] = [];
  try {
    for (const chunk of chunks) {
      for (const { event, data } of items.push(chunk)) found.push([event, data]);
      if (items.isEnded) return [...found, "end"];
    }
    for (const { event, data } of items.end()) found.push([event, data]);
    if (items.isEnded) found.push("end");
  } catch (error) {
    found.push(error instanceof ProtocolError ? error.code : String(error));
  }
  return found;
}

const read = (type: StreamType, text: string): unknown[] => itemsOf(type, [new TextEncoder().encode(text)]);

describe("the items of NDJSON", () => {
  test.each([
    [
      '{"a":1}\n"text"\n7\nnull\n',
      [
        [null, { a: 1 }],
        [null, "text"],
        [null, 7],
        [null, null],
      ],
    ],
    [
      '{"a":1}\r\n\r\n  \r\n{"a":2}',
      [
        [null, { a: 1 }],
        [null, { a: 2 }],
      ],
    ],
    ["1\n[DONE]\n2\n", [[null, 1], "end"]],
    ['1\n{"a":\n2\n', [[null, 1], "BAD_REQUEST"]],
    ['1\n{"a":1', [[null, 1], "BAD_REQUEST"]],
    ["1\n1e999\n", [[null, 1], "BAD_REQUEST"]],
    ['{"__proto__":1}\n', ["BAD_REQUEST"]],
    ['"\\ud800"\n', ["BAD_REQUEST"]],
    ["", []],
  ])("of %j are these", (text, expected) => {
    expect(read(NDJSON, text)).toEqual(expected);
  });
});

describe("the items of server-sent events", () => {
  test.each([
    [
      'data: {"a":1}\n\ndata:7\n\n',
      [
        [null, { a: 1 }],
        [null, 7],
      ],
    ],
    [
      "data: Hello\n\ndata:  two spaces\n\n",
      [
        [null, "Hello"],
        [null, " two spaces"],
      ],
    ],
    [
      "event: delta\ndata: x\n\ndata: y\n\n",
      [
        ["delta", "x"],
        [null, "y"],
      ],
    ],
    ["data: one\ndata: two\n\n", [[null, "one\ntwo"]]],
    ['data: {"a":\ndata: 1}\n\n', [[null, { a: 1 }]]],
    [": comment\nid: 1\nretry: 5\nunknown: x\n\n\ndata: x\nid\n\n", [[null, "x"]]],
    ["data\n\n", [[null, ""]]],
    [
      "data: x\r\rdata: y\r\n\r\n",
      [
        [null, "x"],
        [null, "y"],
      ],
    ],
    ["\ufeffdata: x\n\n", [[null, "x"]]],
    [
      "data: x\n\ndata: not ended",
      [
        [null, "x"],
        [null, "not ended"],
      ],
    ],
    ["data: x\n\ndata: [DONE]\n\ndata: y\n\n", [[null, "x"], "end"]],
    ["data: x\n\ndata: [DONE]", [[null, "x"], "end"]],
    ["event: delta\n\ndata: x\n\n", [[null, "x"]]],
    ["data: x\n\nevent: Not A Name\ndata: y\n\n", [[null, "x"], "BAD_REQUEST"]],
    ["event: new_message\ndata: forged\n\n", ["BAD_REQUEST"]],
    ["data: 1e999\n\n", ["BAD_REQUEST"]],
  ])("of %j are these", (text, expected) => {
    expect(read(SSE, text)).toEqual(expected);
  });

  test("an item of many lines is bounded as one of a single line is", () => {
    const line = `data: ${"x".repeat(1_000)}\n`;
    expect(read(SSE, line.repeat(65))).toEqual([[null, expect.any(String)]]);
    expect(read(SSE, line.repeat(66))).toEqual(["MESSAGE_TOO_LARGE"]);
  });
});

test("a line over the bound is refused before it ends", () => {
  for (const type of [NDJSON, SSE] as const) {
    expect(read(type, `1\n${"x".repeat(MAX_ITEM_BYTES + 1)}`).at(-1)).toBe("MESSAGE_TOO_LARGE");
  }
});

test("what stands behind the end that was announced is not read any more", () => {
  expect(read(NDJSON, `1\n[DONE]\n${"x".repeat(MAX_ITEM_BYTES + 1)}\n`)).toEqual([[null, 1], "end"]);
});

test("comments and empty lines count as signs of life", () => {
  const items = new StreamItems(SSE);
  expect([...items.push(new TextEncoder().encode(": still thinking\n\n"))]).toEqual([]);
  expect(items.lineCount).toBe(2);
});

test("any body gives the same items and the same end, whichever way it is cut", () => {
  const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value));
  const part = fc.oneof(
    json,
    fc.constantFrom(
      "data: ",
      "data:",
      "event: delta",
      "event: ",
      ": c",
      "[DONE]",
      "\n",
      "\n\n",
      "\r",
      "\r\n",
      "\ufeff",
      "é€😀",
    ),
    fc.string({ maxLength: 5 }),
  );
  const chunkSizes = fc.infiniteStream(fc.integer({ min: 1, max: 9 }));
  const body = fc.array(fc.tuple(part, fc.constantFrom("", "\n", "\r\n\r\n")), { maxLength: 20 });
  fc.assert(
    fc.property(fc.constantFrom(NDJSON, SSE), body, chunkSizes, (type, parts, sizes) => {
      const whole = new TextEncoder().encode(parts.flat().join(""));
      expect(itemsOf(type, inChunks(whole, sizes))).toEqual(itemsOf(type, [whole]));
    }),
    { seed: SEED, numRuns: 1_000 },
  );
});

test("every JSON value that a frame can hold arrives as it was, in both notations", () => {
  const value = fc.jsonValue({ maxDepth: 3, noUnicodeString: false });
  const isPlain = (text: string): boolean => !text.includes("__proto__") && !/e\+/.test(text);
  fc.assert(
    fc.property(fc.array(value, { maxLength: 10 }), (values) => {
      const texts = values.map((given) => JSON.stringify(given));
      fc.pre(texts.every(isPlain));
      const expected = texts.map((text) => [null, JSON.parse(text)]);
      expect(read(NDJSON, texts.map((text) => `${text}\n`).join(""))).toEqual(expected);
      expect(read(SSE, texts.map((text) => `data: ${text}\n\n`).join(""))).toEqual(expected);
    }),
    { seed: SEED },
  );
});

test.each([
  [NDJSON, NDJSON],
  ["Text/Event-Stream; charset=utf-8", SSE],
  ["application/json", null],
  ["text/event-streams", null],
  ["toString", null],
  [null, null],
] as const)("the content type %p is read as %p", (given, type) => {
  expect(streamTypeOf(given)).toBe(type);
});
