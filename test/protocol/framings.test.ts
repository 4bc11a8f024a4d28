import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { decodeFrame } from "../../src/protocol/decode.ts";
import { jsonCodec } from "../../src/protocol/json.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { checkValue, isMap } from "../../src/protocol/value.ts";
import { shortest, writeMessagePack } from "../support/msgpack-forms.ts";
import { readMessagePack } from "../support/msgpack-reader.ts";

/** Both framings against each other and against a decoder that is not the node's. A failure prints its seed and its path. */

const SEED = 20_261_128;
const MAX_BYTES = 65_536;

const key = fc
  .oneof(
    fc.string({ maxLength: 12, unit: "binary" }),
    fc.constantFrom(
      "type",
      "id",
      "constructor",
      "toString",
      "then",
      "toJSON",
      "length",
      "hasOwnProperty",
      "valueOf",
      "0",
      "-1",
      "",
    ),
  )
  .filter((name) => name !== "__proto__");
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -200, max: 70_000 }),
  fc.constantFrom(0, -0, 127, 128, 255, 256, 2 ** 31, 2 ** 32, -(2 ** 31), -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }),
);
const text = fc.oneof(fc.string({ unit: "binary", maxLength: 100 }), fc.string({ unit: "grapheme", maxLength: 300 }));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.array(tie("value"), { maxLength: 8 }),
    fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
  ),
}));
const frame = fc.dictionary(key, value, { maxKeys: 30, noNullPrototype: true });

/** How numbers and fields look once JSON has said them: without minus zero. */
const said = (map: object): Record<string, unknown> => JSON.parse(JSON.stringify(map));

/** Null when it is refused with BAD_MESSAGE; any other failure is a fault. */
function decoded(data: string | Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    return decodeFrame(data);
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "BAD_MESSAGE") return null;
    throw error;
  }
}

/** What the slow way says: another decoder, and the check of values that JSON goes through. */
function reference(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const read = readMessagePack(bytes);
    if (!isMap(read)) return null;
    checkValue(read);
    return read;
  } catch {
    return null;
  }
}

function expectSameVerdict(bytes: Uint8Array): void {
  const expected = reference(bytes);
  const actual = decoded(bytes);
  if (expected === null && actual === null) return;
  expect(actual === null ? "refused" : actual).toEqual(expected === null ? "refused" : expected);
}

/** What one framing has said, the other can say too, and it means the same. */
function isSaidInJson(map: Readonly<Record<string, unknown>> | null): boolean {
  if (map === null) return true;
  const json = JSON.stringify(map);
  return JSON.stringify(decoded(json)) === json;
}

describe("one value", () => {
  test("goes out in both framings and is the same to whoever reads it", () => {
    fc.assert(
      fc.property(frame, (map) => {
        const sent = Object.assign({ type: "pong" as const, timestamp: 2 ** 41 }, map);
        const packed = msgpackCodec.encode(sent);
        if (typeof packed === "string") throw new Error("not bytes");
        expect(readMessagePack(packed)).toEqual(said(sent));
        expect(decoded(packed)).toEqual(said(sent));
        expect(decoded(String(jsonCodec.encode(sent)))).toEqual(said(sent));
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  test("comes in the same in both framings, in whatever form MessagePack writes it", () => {
    fc.assert(
      fc.property(frame, fc.infiniteStream(fc.nat()), (map, picks) => {
        const choose = <T>(forms: readonly T[]): T => {
          const form = forms[picks.next().value % forms.length];
          if (form === undefined) throw new Error("no form");
          return form;
        };
        const json = decoded(JSON.stringify(map));
        expect(json).not.toBeNull();
        const packed = decoded(writeMessagePack(said(map), choose));
        expect(packed).toEqual(json);
        expect(JSON.stringify(packed)).toBe(JSON.stringify(json));
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  test("that JSON says, meddled with or not, MessagePack says too, and what JSON may not say is refused", () => {
    const token = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      "\\ud83d",
      "-",
      "0",
      "1e999",
      "9".repeat(17),
      "null",
    );
    const edit = fc.record({ at: fc.nat(), removed: fc.nat(2), added: fc.oneof(token, fc.string({ maxLength: 2 })) });
    let [taken, refused] = [0, 0];
    fc.assert(
      fc.property(frame, fc.array(edit, { maxLength: 2 }), (map, edits) => {
        let sent = JSON.stringify(map);
        for (const { at, removed, added } of edits) {
          const from = at % (sent.length + 1);
          sent = sent.slice(0, from) + added + sent.slice(from + removed);
        }
        const json = decoded(sent);
        if (json === null) {
          refused += 1;
          return;
        }
        taken += 1;
        expect(JSON.stringify(json)).toBe(JSON.stringify(JSON.parse(sent)));
        expect(decoded(shortest(said(json)))).toEqual(said(json));
      }),
      { seed: SEED, numRuns: 2_000 },
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(400);
  });

  test("of a message that was kept is the same in both framings, in the same order of fields", () => {
    fc.assert(
      fc.property(frame, fc.maxSafeInteger(), (data, offset) => {
        const body = { kind: "event", json: JSON.stringify({ type: "note", data }).slice(0, -1) } as const;
        const packed = msgpackCodec.encodePositioned(body, offset, "e1");
        const read = typeof packed === "string" ? null : readMessagePack(packed);
        expect(JSON.stringify(read)).toBe(
          JSON.stringify(JSON.parse(String(jsonCodec.encodePositioned(body, offset, "e1")))),
        );
      }),
      { seed: SEED, numRuns: 400 },
    );
  });
});

describe("the byte check", () => {
  const BYTES = [0xc1, 0xc4, 0xd4, 0xca, 0xcb, 0xcf, 0xd3, 0xdb, 0xdd, 0xdf, 0xff, 0x80, 0xc0, 0xed, 0xf4];

  /** A small generator of its own: with the framework's a hundred thousand frames take a minute. */
  function randomOf(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  function edited(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
    const list = [...bytes];
    for (let edits = 1 + random(3); edits > 0; edits -= 1) {
      const at = random(list.length + 1);
      const byte = random(2) === 0 ? random(256) : (BYTES[random(BYTES.length)] ?? 0);
      const how = random(8);
      if (how < 4) list[at] = byte;
      else if (how < 6) list.splice(at, 0, byte);
      else if (how < 7) list.splice(at, 1);
      else list.length = at;
    }
    return Uint8Array.from(list);
  }

  test("takes and refuses what the slow way does, for 100,000 frames that were meddled with", () => {
    const random = randomOf(SEED);
    const frames = fc.sample(frame, { seed: SEED, numRuns: 400 }).map((map) => shortest(said(map)));
    const small = frames.filter((bytes) => bytes.length < 300);
    let taken = 0;
    for (let run = 0; run < 100_000; run += 1) {
      const bytes = edited(small[run % small.length] ?? new Uint8Array(), random);
      const expected = reference(bytes);
      const actual = decoded(bytes);
      if (actual !== null) taken += 1;
      // `expect` itself would take longer than all the rest.
      if (!Bun.deepEquals(actual, expected, true) || !isSaidInJson(actual))
        throw new Error(`seed ${SEED}: ${Buffer.from(bytes).toString("hex")}`);
    }
    expect(taken).toBeGreaterThan(5_000);
    expect(taken).toBeLessThan(95_000);
  }, 30_000);

  test("takes and refuses what the slow way does, for any bytes behind the head of a map", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0x80, max: 0x84 }), (bytes, head) => {
        expectSameVerdict(bytes);
        expectSameVerdict(Uint8Array.of(head, ...bytes));
        expectSameVerdict(Uint8Array.of(0x81, 0xa1, 0x78, ...bytes));
      }),
      { seed: SEED, numRuns: 3_000 },
    );
  });

  test("says nothing but BAD_MESSAGE to large frames of anything, and pollutes no prototype", () => {
    const before = Object.getOwnPropertyNames(Object.prototype).toSorted();
    const token = fc.constantFrom(0x81, 0x91, 0xde, 0xdf, 0xdc, 0xdd, 0xdb, 0xa1, 0xa9, 0xc0, 0x00, 0xcb, 0xd4, 0xff);
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 12 }), (pattern) => {
        const bytes = Uint8Array.from({ length: MAX_BYTES }, (_, index) => pattern[index % pattern.length] ?? 0);
        decoded(bytes);
        bytes[0] = 0x81;
        decoded(bytes);
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(Object.getOwnPropertyNames(Object.prototype).toSorted()).toEqual(before);
  });
});
