import { expect, test } from "bun:test";
import { unpack } from "msgpackr";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { readMessagePack } from "../support/msgpack-reader.ts";
import { codecContract } from "./codec.ts";

codecContract({
  codec: msgpackCodec,
  read(frame) {
    if (typeof frame === "string") throw new Error("MessagePack goes out as bytes");
    return readMessagePack(frame);
  },
});

test.each([
  ["0", 0, "00"],
  ["minus zero, as in JSON", -0, "00"],
  ["127", 127, "7f"],
  ["-32", -32, "e0"],
  ["2^32 - 1", 2 ** 32 - 1, "ceffffffff"],
  ["2^32", 2 ** 32, "cf0000000100000000"],
  ["a timestamp", 1_729_238_400_000, "cf000001929ea3fc00"],
  ["2^53 - 1", Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
  ["-2^31 - 1", -(2 ** 31) - 1, "d3ffffffff7fffffff"],
  ["-2^32", -(2 ** 32), "d3ffffffff00000000"],
  ["-(2^53 - 1)", Number.MIN_SAFE_INTEGER, "d3ffe0000000000001"],
  ["a fraction", 1.5, "cb3ff8000000000000"],
])("an integer is written as an integer, whatever its size: %s", (_what, value, hex) => {
  const frame = msgpackCodec.encodePositioned({ kind: "event", json: `{"type":"n","v":${String(value)}` }, 1, "e");
  expect(Buffer.from(frame).toString("hex")).toContain(`a176${hex}`);
  const direct = msgpackCodec.encode(Object.assign({ type: "pong" as const, timestamp: 1 }, { v: value }));
  expect(Buffer.from(direct).toString("hex")).toEndWith(`a176${hex}`);
});

test("fields that are kept for all hold no memory but their own", () => {
  const { encoded } = msgpackCodec.encodeFields({ nodeId: "node-1" });
  expect(typeof encoded === "string" ? null : encoded.buffer.byteLength).toBe(encoded.length);
});

test("a float is left as it is, and so is text whose bytes look like one", () => {
  // U+02C0 begins with the byte cb, and with what follows it would be minus zero.
  const value = { text: `\u02c0${"\u0000".repeat(7)}`.repeat(30), list: [0.1, -1e-300, 123_456.789, 2 ** 52 + 0.5] };
  const frame = msgpackCodec.encode(Object.assign({ type: "pong" as const, timestamp: 2 ** 41 }, value));
  expect(readMessagePack(Buffer.from(frame))).toEqual({ type: "pong", timestamp: 2 ** 41, ...value });
});

test("the most common decoder of JavaScript reads the same, with 64-bit integers as BigInt unless it is told otherwise", () => {
  const frame = msgpackCodec.encode({ type: "pong", timestamp: 1_729_238_400_000 });
  expect(unpack(Buffer.from(frame))).toEqual({ type: "pong", timestamp: 1_729_238_400_000n });
});
