/** Where a sequence of three or four bytes may begin and go on: the second byte's bounds keep out overlong forms and surrogates. */
const LOWEST_SECOND: ReadonlyMap<number, number> = new Map([
  [0xe0, 0xa0],
  [0xf0, 0x90],
]);
const HIGHEST_SECOND: ReadonlyMap<number, number> = new Map([
  [0xed, 0x9f],
  [0xf4, 0x8f],
]);

/** Whether the bytes are UTF-8 (RFC 3629): no overlong form, no surrogate, nothing over U+10FFFF, nothing cut off. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const first = bytes[at] ?? 0;
    at += 1;
    if (first < 0x80) continue;
    const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || at + more > end) return false;
    const second = bytes[at] ?? 0;
    if (second < (LOWEST_SECOND.get(first) ?? 0x80) || second > (HIGHEST_SECOND.get(first) ?? 0xbf)) return false;
    for (let next = at + 1; next < at + more; next += 1) {
      if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return false;
    }
    at += more;
  }
  return true;
}
