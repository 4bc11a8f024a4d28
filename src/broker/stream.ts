import type { MessageBody } from "../protocol/codec.ts";
import type { History, Position, Positioned } from "./broker.ts";

export interface StreamBounds {
  /** Messages kept per topic. */
  readonly size: number;
  /** Bytes of message bodies kept per topic. */
  readonly bytes: number;
  readonly ttlMs: number;
}

interface Entry extends Positioned {
  readonly bytes: number;
  readonly atMs: number;
}

/** A message is an object and a string beside its bytes. */
const ENTRY_BYTES = 200;

/** One topic's messages: an offset that only rises, and the newest of them within the bounds. Times are monotonic. */
export class Stream {
  readonly epoch: string;
  offset = 0;
  bytes = 0;
  lastAppendMs = 0;
  /** When the stream last took its place among the others. */
  rankedMs = Number.NEGATIVE_INFINITY;
  #entries: Entry[] = [];

  constructor(epoch: string) {
    this.epoch = epoch;
  }

  /** What it takes of memory, roughly. */
  get footprint(): number {
    return this.bytes + this.#entries.length * ENTRY_BYTES;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** The next message; kept when there are bounds to keep it within. */
  append(body: MessageBody, bounds: StreamBounds | null, nowMs: number): Positioned {
    this.offset += 1;
    this.lastAppendMs = nowMs;
    if (bounds === null) return { offset: this.offset, epoch: this.epoch, body };
    const entry = {
      offset: this.offset,
      epoch: this.epoch,
      body,
      bytes: Buffer.byteLength(body.json),
      atMs: nowMs,
    };
    this.#entries.push(entry);
    this.bytes += entry.bytes;
    this.trim(bounds, nowMs);
    return entry;
  }

  trim(bounds: StreamBounds, nowMs: number): void {
    for (;;) {
      const oldest = this.#entries[0];
      if (oldest === undefined) return;
      const isOver = this.#entries.length > bounds.size || this.bytes > bounds.bytes;
      if (!isOver && nowMs - oldest.atMs < bounds.ttlMs) return;
      this.#entries.shift();
      this.bytes -= oldest.bytes;
    }
  }

  clear(): void {
    this.#entries = [];
    this.bytes = 0;
  }

  newest(limit: number): History {
    const messages = limit === 0 ? [] : this.#entries.slice(-limit);
    return { offset: this.offset, epoch: this.epoch, messages, recovered: true };
  }

  /** The oldest `limit` messages after the position; none when something after it is no longer here. */
  after(since: Position, limit: number): History {
    const lost = { offset: this.offset, epoch: this.epoch, messages: [], recovered: false };
    if (since.epoch !== this.epoch || since.offset > this.offset) return lost;
    const missed = this.offset - since.offset;
    if (missed > this.#entries.length) return lost;
    const from = this.#entries.length - missed;
    return { ...lost, messages: this.#entries.slice(from, from + limit), recovered: true };
  }
}
