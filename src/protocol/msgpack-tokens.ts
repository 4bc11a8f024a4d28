/**
 * MessagePack by the first byte of a value: what it is, and how many bytes of length or number follow. Extensions, `bin` and the
 * byte c1, which is never used, are not in this protocol. Source: the MessagePack specification, "Formats".
 */

export const REFUSED = 0;
/** A value of known size, whatever its bytes are. */
export const PLAIN = 1;
export const STRING = 2;
export const ARRAY = 3;
export const MAP = 4;
export const FLOAT32 = 5;
export const FLOAT64 = 6;
export const UINT64 = 7;
export const INT64 = 8;

/** From which byte to which, the kind, and the bytes that follow. With none a string, an array or a map has its length in the byte itself. */
const ROWS: readonly (readonly [from: number, to: number, kind: number, bytes: number])[] = [
  [0x00, 0x7f, PLAIN, 0],
  [0x80, 0x8f, MAP, 0],
  [0x90, 0x9f, ARRAY, 0],
  [0xa0, 0xbf, STRING, 0],
  [0xc0, 0xc0, PLAIN, 0],
  [0xc2, 0xc3, PLAIN, 0],
  [0xca, 0xca, FLOAT32, 4],
  [0xcb, 0xcb, FLOAT64, 8],
  [0xcc, 0xcc, PLAIN, 1],
  [0xcd, 0xcd, PLAIN, 2],
  [0xce, 0xce, PLAIN, 4],
  [0xcf, 0xcf, UINT64, 8],
  [0xd0, 0xd0, PLAIN, 1],
  [0xd1, 0xd1, PLAIN, 2],
  [0xd2, 0xd2, PLAIN, 4],
  [0xd3, 0xd3, INT64, 8],
  [0xd9, 0xd9, STRING, 1],
  [0xda, 0xda, STRING, 2],
  [0xdb, 0xdb, STRING, 4],
  [0xdc, 0xdc, ARRAY, 2],
  [0xdd, 0xdd, ARRAY, 4],
  [0xde, 0xde, MAP, 2],
  [0xdf, 0xdf, MAP, 4],
  [0xe0, 0xff, PLAIN, 0],
];

const KINDS = new Uint8Array(256);
const FOLLOWING = new Uint8Array(256);
for (const [from, to, kind, bytes] of ROWS) {
  KINDS.fill(kind, from, to + 1);
  FOLLOWING.fill(bytes, from, to + 1);
}

/** REFUSED also behind the end of the bytes. */
export function kindAt(bytes: Uint8Array, at: number): number {
  return KINDS[bytes[at] ?? 0xc1] ?? REFUSED;
}

/** How many bytes of length or number follow the first one. */
export function followingAt(bytes: Uint8Array, at: number): number {
  return FOLLOWING[bytes[at] ?? 0xc1] ?? 0;
}

/** The length of the string, array or map that begins there, as it declares it. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  switch (FOLLOWING[first]) {
    case 0:
      return first & (first >= 0xa0 ? 0x1f : 0x0f);
    case 1:
      return bytes[at + 1] ?? 0;
    case 2:
      return ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    default:
      return (
        (bytes[at + 1] ?? 0) * 0x1000000 +
        (((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0))
      );
  }
}
