/** Lines on their way out, as bytes in chunks that are filled again once they are written. Pure memory; `sink.ts` does the writing. */

const CHUNK_BYTES = 64 * 1024;
/** One to fill while another is written. A fresh one costs its pages anew: more than the lines in it. */
const MAX_SPARE_CHUNKS = 2;
/** A UTF-16 unit is three bytes of UTF-8 at most. */
const MAX_UNIT_BYTES = 3;

interface Chunk {
  readonly bytes: Buffer;
  length: number;
}

export class LineQueue {
  readonly #spare: Buffer[] = [];
  readonly #full: Chunk[] = [];
  #filling: Chunk | null = null;
  #writing: Chunk | null = null;
  #writtenBytes = 0;
  /** Bytes of UTF-8 that were appended and not yet confirmed by `wrote`. */
  bytes = 0;

  /** Whether no more than `maxBytes` would wait with the line. */
  hasRoom(line: string, maxBytes: number): boolean {
    return fits(line, maxBytes - this.bytes);
  }

  /** True when a chunk is full that is worth a write of its own. */
  append(line: string): boolean {
    const before = this.#filling;
    const chunk = this.#chunkFor(line);
    const bytes = chunk.bytes.write(line, chunk.length);
    chunk.length += bytes;
    this.bytes += bytes;
    return before !== null && chunk !== before;
  }

  /** The bytes to write next, the rest of a chunk that was written in part first; null when there are none. */
  next(): Buffer | null {
    this.#writing ??= this.#full.shift() ?? this.#take();
    return this.#writing?.bytes.subarray(this.#writtenBytes, this.#writing.length) ?? null;
  }

  /** Forgets the first `bytes` of what `next` gave. */
  wrote(bytes: number): void {
    if (this.#writing === null) return;
    this.bytes -= bytes;
    this.#writtenBytes += bytes;
    if (this.#writtenBytes < this.#writing.length) return;
    const written = this.#writing.bytes;
    if (written.length === CHUNK_BYTES && this.#spare.length < MAX_SPARE_CHUNKS) this.#spare.push(written);
    this.#writing = null;
    this.#writtenBytes = 0;
  }

  /** True while a chunk was written in part. */
  get inChunk(): boolean {
    return this.#writing !== null;
  }

  #chunkFor(line: string): Chunk {
    if (this.#filling !== null) {
      if (fits(line, this.#filling.bytes.length - this.#filling.length)) return this.#filling;
      this.#full.push(this.#filling);
    }
    const bytes = fits(line, CHUNK_BYTES)
      ? (this.#spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES))
      : Buffer.allocUnsafeSlow(Buffer.byteLength(line));
    this.#filling = { bytes, length: 0 };
    return this.#filling;
  }

  #take(): Chunk | null {
    const chunk = this.#filling;
    this.#filling = null;
    return chunk;
  }
}

function fits(line: string, room: number): boolean {
  return line.length * MAX_UNIT_BYTES <= room || Buffer.byteLength(line) <= room;
}
