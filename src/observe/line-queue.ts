/** Lines on their way out: gathered as text, cut into chunks, handed out as bytes. Pure memory; `sink.ts` does the writing. */

const CHUNK_BYTES = 64 * 1024;

export class LineQueue {
  #gathered = "";
  #gatheredBytes = 0;
  readonly #chunks: string[] = [];
  #current: Buffer | null = null;
  /** Bytes of UTF-8 that were appended and not yet confirmed by `wrote`. */
  bytes = 0;

  /** True when the line completed a chunk that is worth a write of its own. */
  append(line: string, lineBytes: number): boolean {
    this.#gathered += line;
    this.#gatheredBytes += lineBytes;
    this.bytes += lineBytes;
    if (this.#gatheredBytes < CHUNK_BYTES) return false;
    this.#cut();
    return true;
  }

  /** The bytes to write next, the rest of a chunk that was written in part first; null when there are none. */
  next(): Buffer | null {
    if (this.#current !== null) return this.#current;
    if (this.#chunks.length === 0 && this.#gatheredBytes > 0) this.#cut();
    const chunk = this.#chunks.shift();
    this.#current = chunk === undefined ? null : Buffer.from(chunk);
    return this.#current;
  }

  /** Forgets the first `bytes` of what `next` gave. */
  wrote(bytes: number): void {
    if (this.#current === null) return;
    this.bytes -= bytes;
    this.#current = bytes < this.#current.length ? this.#current.subarray(bytes) : null;
  }

  /** True while a chunk was written in part. */
  get inChunk(): boolean {
    return this.#current !== null;
  }

  #cut(): void {
    this.#chunks.push(this.#gathered);
    this.#gathered = "";
    this.#gatheredBytes = 0;
  }
}
