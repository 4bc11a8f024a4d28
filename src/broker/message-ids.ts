import type { Position } from "./broker.ts";
import type { PayloadHash } from "./payload-hash.ts";

/** How long a message id counts as used. */
export const MESSAGE_ID_TTL_MS = 300_000;

export interface MessageIdBounds {
  readonly maxIds: number;
  readonly maxBytes: number;
}

export const MESSAGE_ID_BOUNDS: MessageIdBounds = { maxIds: 200_000, maxBytes: 32 * 1_048_576 };

/** What a used id leads to: the answer that its message got, and what the message was. */
export interface UsedId extends Position, PayloadHash {}

interface Slice {
  readonly ids: Map<string, UsedId>;
  readonly startedMs: number;
  bytes: number;
}

/** An object, a string and its place in a map that grows, beside the characters of the string: measured over 100,000 of them. */
const ID_BYTES = 220;

/**
 * So many ids at most share a map, and ids of no more than so much time. A map that grows is copied, and the garbage collector goes
 * through all of one that has changed: with all ids in one map both would hold up every connection.
 */
const SLICE_IDS = 25_000;
const SLICE_MS = 60_000;

/** The message ids of the last five minutes, within bounds: over them the oldest are forgotten early, and counted. Times are monotonic. */
export class MessageIds {
  readonly #bounds: MessageIdBounds;
  /** Newest first. */
  readonly #slices: Slice[] = [];
  #size = 0;
  #bytes = 0;
  /** Ids that were forgotten before their time. */
  dropped = 0;

  constructor(bounds: MessageIdBounds = MESSAGE_ID_BOUNDS) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): UsedId | undefined {
    for (const { ids } of this.#slices) {
      const used = ids.get(key);
      if (used !== undefined) return used;
    }
    return undefined;
  }

  add(key: string, used: UsedId, nowMs: number): void {
    let [newest] = this.#slices;
    if (newest === undefined || newest.ids.size >= SLICE_IDS || nowMs - newest.startedMs >= SLICE_MS) {
      newest = { ids: new Map(), startedMs: nowMs, bytes: 0 };
      this.#slices.unshift(newest);
    }
    const known = newest.ids.size;
    newest.ids.set(key, used);
    // Used again after its topic has ended: the new answer takes the place of the old one.
    if (newest.ids.size === known) return;
    const bytes = bytesOf(key);
    newest.bytes += bytes;
    this.#bytes += bytes;
    this.#size += 1;
    while (this.#size > this.#bounds.maxIds || this.#bytes > this.#bounds.maxBytes) this.#dropOldest();
  }

  /** Frees the slices whose youngest id is too old: an id may live for a slice's time longer than it has to. */
  sweep(nowMs: number): void {
    for (;;) {
      const oldest = this.#slices.at(-1);
      if (oldest === undefined || nowMs - oldest.startedMs < MESSAGE_ID_TTL_MS + SLICE_MS) return;
      this.#slices.pop();
      this.#size -= oldest.ids.size;
      this.#bytes -= oldest.bytes;
    }
  }

  #dropOldest(): void {
    const oldest = this.#slices.at(-1);
    if (oldest === undefined) return;
    for (const key of oldest.ids.keys()) {
      oldest.ids.delete(key);
      const bytes = bytesOf(key);
      oldest.bytes -= bytes;
      this.#bytes -= bytes;
      this.#size -= 1;
      this.dropped += 1;
      break;
    }
    if (oldest.ids.size === 0) this.#slices.pop();
  }
}

/** One character outside Latin-1, which a client's id may hold, makes every character of the string take two bytes. */
const WIDE = /[\u0100-\uffff]/;

function bytesOf(key: string): number {
  return ID_BYTES + (WIDE.test(key) ? 2 : 1) * key.length;
}
