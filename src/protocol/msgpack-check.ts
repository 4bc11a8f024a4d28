import { ProtocolError } from "./codes.ts";
import {
  ARRAY,
  FLOAT32,
  FLOAT64,
  followingAt,
  INT64,
  kindAt,
  lengthAt,
  MAP,
  PLAIN,
  STRING,
  UINT64,
} from "./msgpack-tokens.ts";
import { isUtf8 } from "./utf8.ts";
import { MAX_DEPTH, MAX_MAP_ENTRIES } from "./value.ts";

/**
 * The look at MessagePack bytes before anything is made of them. A decoder that is asked first makes an array of a million items of five
 * bytes, runs out of stack on nested ones, and turns broken text into text that means something else.
 */

const PROTO = Uint8Array.from("__proto__", (letter) => letter.charCodeAt(0));

/** What the open arrays and maps still miss, a map two for an entry. Kept: the check is synchronous and allocates nothing. */
const missing = new Float64Array(MAX_DEPTH);
const isMapAt = new Uint8Array(MAX_DEPTH);

/** Throws BAD_MESSAGE unless the bytes are one map and nothing behind it, of the values that `checkValue` allows. One pass. */
export function checkMessagePack(bytes: Uint8Array): void {
  if (kindAt(bytes, 0) !== MAP) throw new ProtocolError("BAD_MESSAGE");
  let depth = 0;
  let at = 0;
  do {
    const isKey = depth > 0 && isMapAt[depth - 1] === 1 && (missing[depth - 1] ?? 0) % 2 === 0;
    const kind = kindAt(bytes, at);
    const content = at + 1 + followingAt(bytes, at);
    if (content > bytes.length || (isKey && kind !== STRING)) throw new ProtocolError("BAD_MESSAGE");
    if (depth > 0) missing[depth - 1] = (missing[depth - 1] ?? 0) - 1;
    if (kind === STRING) {
      const end = content + lengthAt(bytes, at);
      if (!isText(bytes, content, end) || (isKey && isProto(bytes, content, end)))
        throw new ProtocolError("BAD_MESSAGE");
      at = end;
    } else if (kind === MAP || kind === ARRAY) {
      const items = lengthAt(bytes, at) * (kind === MAP ? 2 : 1);
      // Every item has a byte at least: what cannot be there is refused before anyone counts it out.
      if (items > bytes.length - content || depth === MAX_DEPTH) throw new ProtocolError("BAD_MESSAGE");
      if (kind === MAP && items > 2 * MAX_MAP_ENTRIES) throw new ProtocolError("BAD_MESSAGE");
      missing[depth] = items;
      isMapAt[depth] = kind === MAP ? 1 : 0;
      depth += 1;
      at = content;
    } else {
      if (kind !== PLAIN && !isNumberInRange(kind, bytes, at)) throw new ProtocolError("BAD_MESSAGE");
      at = content;
    }
    while (depth > 0 && missing[depth - 1] === 0) depth -= 1;
  } while (depth > 0);
  if (at !== bytes.length) throw new ProtocolError("BAD_MESSAGE");
}

function isText(bytes: Uint8Array, start: number, end: number): boolean {
  return end <= bytes.length && isUtf8(bytes, start, end);
}

/** The decoder gives the key `__proto__` another name, JSON.parse keeps it: it is refused in both. */
function isProto(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === PROTO.length && PROTO.every((byte, index) => bytes[start + index] === byte);
}

/** The numbers that JSON can say: finite, integers within ±(2^53−1). Every float from 2^53 on is a whole number that is not safe. */
function isNumberInRange(kind: number, bytes: Uint8Array, at: number): boolean {
  const first = bytes[at + 1] ?? 0;
  const second = bytes[at + 2] ?? 0;
  switch (kind) {
    case FLOAT32:
      return (((first & 0x7f) << 1) | (second >> 7)) < 127 + 53;
    case FLOAT64:
      return (((first & 0x7f) << 4) | (second >> 4)) < 1_023 + 53;
    case UINT64:
      return first === 0 && second < 0x20;
    case INT64:
      if (first === 0) return second < 0x20;
      return first === 0xff && (second > 0xe0 || (second === 0xe0 && !isZero(bytes, at + 3, at + 9)));
    default:
      return false;
  }
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (bytes[at] !== 0) return false;
  }
  return true;
}
