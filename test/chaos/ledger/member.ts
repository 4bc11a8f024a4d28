import type { Barred, Diff, End, Gap, Join, Leave, Presence, Receipt, Seen, Stop } from "../history.ts";
import type { Client } from "./client.ts";
import type { Version } from "./message.ts";
import { OffsetMap } from "./offset-map.ts";
import type { Slot, Stream } from "./stream.ts";

/** What a client was told about a topic, apart from its messages. */
export type Mark = Join | Leave | Gap | End | Stop | Presence | Diff | Seen;

/** How a message came; `Again` is a place that the client had a message of already. */
export const Way = { Live: 1, Recovery: 2, Again: 3 } as const;
export type Way = (typeof Way)[keyof typeof Way];

export interface Delivery {
  readonly slot: Slot;
  readonly version: Version;
  readonly way: Way;
  readonly atMs: number;
  /** Infinity where the message does not say it. */
  readonly publishedAtMs: number;
}

interface Visitor {
  readonly onMark: (mark: Mark) => void;
  readonly onDelivery?: (slot: Slot, way: Way, index: number) => void;
}

/** What one client saw of one topic, in its order. A run has millions of receipts, so they are columns instead of objects. */
export class Member {
  readonly client: Client;
  readonly topic: string;
  readonly bars: Barred[] = [];
  readonly allowedAtMs: number[] = [];
  /** Raw duplicates: a place came again. */
  duplicates = 0;
  readonly #ways = new Map<Stream, OffsetMap>();
  readonly #slots: Slot[] = [];
  readonly #versions: Version[] = [];
  readonly #how: Way[] = [];
  readonly #times: number[] = [];
  readonly #published: number[] = [];
  /** Each with the number of receipts before it. */
  readonly #marks: { readonly mark: Mark; readonly at: number }[] = [];

  constructor(client: Client, topic: string) {
    this.client = client;
    this.topic = topic;
  }

  mark(mark: Mark): void {
    this.#marks.push({ mark, at: this.#slots.length });
  }

  /** Returns whether the client had nothing of this place before. */
  receive(slot: Slot, version: Version, { via, atMs, publishedAtMs }: Receipt): boolean {
    let ways = this.#ways.get(slot.stream);
    if (ways === undefined) {
      ways = new OffsetMap();
      this.#ways.set(slot.stream, ways);
    }
    const isFirst = ways.get(slot.offset) === 0;
    const way = isFirst ? (via === "live" ? Way.Live : Way.Recovery) : Way.Again;
    if (isFirst) ways.set(slot.offset, way);
    else this.duplicates += 1;
    this.#slots.push(slot);
    this.#versions.push(version);
    this.#how.push(way);
    this.#times.push(atMs);
    this.#published.push(publishedAtMs);
    return isFirst;
  }

  /** How the message of a place came first; null when it never came. */
  wayOf(slot: Slot): Way | null {
    const way = this.#ways.get(slot.stream)?.get(slot.offset) ?? 0;
    return way === Way.Live || way === Way.Recovery ? way : null;
  }

  delivery(index: number): Delivery | null {
    const slot = this.#slots[index];
    const version = this.#versions[index];
    const way = this.#how[index];
    const atMs = this.#times[index];
    const publishedAtMs = this.#published[index];
    if (slot === undefined || version === undefined || way === undefined) return null;
    if (atMs === undefined || publishedAtMs === undefined) return null;
    return { slot, version, way, atMs, publishedAtMs };
  }

  /** Everything once more, in the order in which the client saw it. */
  replay({ onMark, onDelivery }: Visitor): void {
    let at = 0;
    for (const { mark, at: before } of this.#marks) {
      if (onDelivery !== undefined) this.#deliver(onDelivery, at, before);
      at = before;
      onMark(mark);
    }
    if (onDelivery !== undefined) this.#deliver(onDelivery, at, this.#slots.length);
  }

  #deliver(onDelivery: NonNullable<Visitor["onDelivery"]>, from: number, to: number): void {
    for (let index = from; index < to; index++) {
      const slot = this.#slots[index];
      const way = this.#how[index];
      if (slot !== undefined && way !== undefined) onDelivery(slot, way, index);
    }
  }

  /** The bars with the time at which each was lifted, Infinity where it never was. */
  barredTimes(): readonly { readonly bar: Barred; readonly untilMs: number }[] {
    return this.bars.map((bar) => ({
      bar,
      untilMs: Math.min(...this.allowedAtMs.filter((atMs) => atMs >= bar.atMs), Number.POSITIVE_INFINITY),
    }));
  }
}
