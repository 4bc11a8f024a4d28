/** The bytes in pieces of those sizes. */
export function inChunks(bytes: Uint8Array, sizes: Iterator<number>): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const { value } = sizes.next();
    const size: number = typeof value === "number" ? value : bytes.length;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}
