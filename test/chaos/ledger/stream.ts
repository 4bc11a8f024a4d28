import type { Message, Version } from "./message.ts";

/** What a client found at a place when it came there first. */
export interface View {
  readonly version: Version;
  /** The first client that saw it so. */
  readonly client: string;
}

/** A place in a stream that somebody spoke of. */
export class Slot {
  readonly stream: Stream;
  readonly offset: number;
  /** More than one when clients disagree. */
  readonly views: View[] = [];
  /** Messages that were confirmed to be here; without those that were received elsewhere in the stream. */
  readonly acks = new Set<Message>();
  /** Since when it is certain that a message is here; Infinity when nothing certain says so. */
  knownAtMs = Number.POSITIVE_INFINITY;

  constructor(stream: Stream, offset: number) {
    this.stream = stream;
    this.offset = offset;
  }

  /** The message that most likely is here. */
  get message(): Message | null {
    return this.views[0]?.version.message ?? this.acks.values().next().value ?? null;
  }
}

/** The messages of a topic while it has one epoch. */
export class Stream {
  readonly topic: string;
  readonly epoch: string;
  readonly slots = new Map<number, Slot>();

  constructor(topic: string, epoch: string) {
    this.topic = topic;
    this.epoch = epoch;
  }

  slot(offset: number): Slot {
    const known = this.slots.get(offset);
    if (known !== undefined) return known;
    const slot = new Slot(this, offset);
    this.slots.set(offset, slot);
    return slot;
  }
}
