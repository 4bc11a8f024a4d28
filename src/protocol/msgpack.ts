import { Packr } from "msgpackr";
import type { Codec, EncodedFields, MessageBody, PositionedBody } from "./codec.ts";
import { jsonCodec, jsonOf } from "./json.ts";
import { FLOAT64, followingAt, kindAt, lengthAt, STRING } from "./msgpack-tokens.ts";

/** Plain maps of the size they need. `toJSON` and `constructor` are keys like any other: a client may have sent them as data. */
const PLAIN_MAPS = { useRecords: false, variableMapSize: true, useToJSON: false, encodeUndefinedAsNil: true } as const;

/** What JSON.parse gives holds nothing undefined. */
const parsedPackr = new Packr(PLAIN_MAPS);
/** An option that the types of the library do not name. Without it an undefined field goes out as an extension. */
const SKIPPING = { ...PLAIN_MAPS, skipValues: [undefined] };
const framePackr = new Packr(SKIPPING);

/**
 * MessagePack in binary frames. Messages are kept and passed between nodes as JSON, so that both framings say the same, in the same
 * order. What the packr returns is its own: it goes on writing behind it, never over it.
 */
export const msgpackCodec: Codec = {
  name: "msgpack",
  prefix: "m/",
  encode: packFrame,
  encodeFields,
  encodeMessages,
  encodeWith,
  encodePositioned,
};

function packFrame(frame: object): Uint8Array {
  return withIntegers(framePackr.pack(frame));
}

function encodePositioned(body: MessageBody, offset: number, epoch: string): Uint8Array {
  return withIntegers(parsedPackr.pack(JSON.parse(jsonOf(body, offset, epoch))));
}

function encodeMessages(messages: readonly PositionedBody[]): EncodedFields {
  return encodeFields(JSON.parse(`{${String(jsonCodec.encodeMessages(messages).encoded)}}`));
}

/** A copy, for fields may be kept for long, and with them the whole buffer that they lie in. */
function encodeFields(fields: object): EncodedFields {
  const packed = packFrame(fields);
  // Not `slice`, which of the packr's kind of bytes is a view.
  return { count: lengthAt(packed, 0), encoded: new Uint8Array(packed.subarray(1 + followingAt(packed, 0))) };
}

function encodeWith(frame: object, { count, encoded }: EncodedFields): Uint8Array {
  if (typeof encoded === "string") throw new Error("fields of another framing");
  const packed = packFrame(frame);
  const own = packed.subarray(1 + followingAt(packed, 0));
  const header = mapHeader(lengthAt(packed, 0) + count);
  const joined = new Uint8Array(header.length + own.length + encoded.length);
  joined.set(header);
  joined.set(own, header.length);
  joined.set(encoded, header.length + own.length);
  return joined;
}

function mapHeader(entries: number): readonly number[] {
  return entries < 16 ? [0x80 | entries] : [0xde, entries >> 8, entries & 0xff];
}

/**
 * The packr writes integers of more than 32 bits, such as every timestamp, as floats, which typed languages do not read as integers. A
 * 64-bit integer takes the same nine bytes, so they are turned into one in their place.
 */
function withIntegers(packed: Uint8Array): Uint8Array {
  let at = 0;
  while (at < packed.length) {
    const kind = kindAt(packed, at);
    if (kind === FLOAT64) makeInteger(packed, at);
    at += 1 + followingAt(packed, at) + (kind === STRING ? lengthAt(packed, at) : 0);
  }
  return packed;
}

const number = new DataView(new ArrayBuffer(8));
const numberBytes = new Uint8Array(number.buffer);

function makeInteger(packed: Uint8Array, at: number): void {
  for (let index = 0; index < 8; index += 1) numberBytes[index] = packed[at + 1 + index] ?? 0;
  const value = number.getFloat64(0);
  if (!Number.isSafeInteger(value)) return;
  // Two halves instead of a BigInt, which would be allocated.
  number.setInt32(0, Math.floor(value / 0x100000000));
  number.setUint32(4, value >>> 0);
  packed[at] = value < 0 ? 0xd3 : 0xcf;
  packed.set(numberBytes, at + 1);
}
