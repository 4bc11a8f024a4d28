/**
 * The first letter of a frame's `type`, which the server writes first in both framings: it tells the frames of a run apart without decoding
 * them. `{"type":"n…` is `new_message`; in MessagePack the same is a map header, the string `type` and a string.
 */

/** In any payload that has a letter it is one of these first bytes: `{"type":"` is nine long, a map header of three and `type` no longer. */
export const LETTER_WITHIN = 10;

const TEXT_AT = '{"type":"'.length;
/** A fixstr of four bytes (MessagePack specification, "str format family"). */
const KEY = [0xa4, 0x74, 0x79, 0x70, 0x65] as const;
const MAP_16 = 0xde;

/** Of a text frame whose payload begins there. */
export function textLetter(chunk: Uint8Array, at: number): number {
  return chunk[at + TEXT_AT] ?? 0;
}

/** Of a binary frame; 0 when it is no map whose first entry is a `type` of at most 31 bytes. */
export function binaryLetter(chunk: Uint8Array, at: number): number {
  const header = chunk[at] ?? 0;
  const key = (header & 0xf0) === 0x80 ? at + 1 : header === MAP_16 ? at + 3 : -1;
  if (key === -1) return 0;
  for (let i = 0; i < KEY.length; i++) if (chunk[key + i] !== KEY[i]) return 0;
  const isShortString = ((chunk[key + KEY.length] ?? 0) & 0xe0) === 0xa0;
  return isShortString ? (chunk[key + KEY.length + 1] ?? 0) : 0;
}
