import type { History, Position, Positioned } from "../broker.ts";

/** Messages of one topic that wait for those before them. */
const MAX_HELD = 10_000;
/** Messages that are kept for joins that are reading; with more of them these read again. */
const MAX_RECENT = 10_000;
/** After so many reads what is still held out of order is of a stream that is over. */
const MAX_ROUNDS = 4;

interface FollowedPorts {
  /** Everything after a position, from Redis. */
  readonly read: (topic: string, since: Position | null) => Promise<History>;
  readonly deliver: (topic: string, message: Positioned) => void;
  readonly lose: (topic: string, position: Position) => void;
}

/** A join that is reading. */
export interface Reader {
  /** Nothing before is of use to it. */
  offset: number;
}

interface Waiting {
  readonly offset: number;
  readonly resolve: () => void;
}

/**
 * A topic that this node follows: where live delivery stands, and the repair of holes. Messages are delivered in the order of their offsets, without
 * a gap; whatever comes out of that order waits until the stream has given what is missing, or has said that it is gone.
 */
export class FollowedTopic {
  readonly topic: string;
  /** How often it was followed. */
  followers = 0;
  readonly #ports: FollowedPorts;
  #offset = 0;
  #epoch = "";
  /** Null: it is live. */
  #live: PromiseWithResolvers<void> | null = unsettled();
  #isReading = false;
  /** What was read before the last of these says nothing about what came after it. */
  #interruptions = 0;
  #held: Positioned[] = [];
  #hasOverflown = false;
  /** Where live delivery stood when each of the joins began that are reading, oldest first, and what was delivered since then. */
  readonly #readers = new Set<Reader>();
  #recent: Positioned[] = [];
  #waiting: Waiting[] = [];

  constructor(topic: string, ports: FollowedPorts) {
    this.topic = topic;
    this.#ports = ports;
  }

  get isLive(): boolean {
    return this.#live === null;
  }

  get position(): Position {
    return { offset: this.#offset, epoch: this.#epoch };
  }

  /** Settles when the topic is live. */
  get live(): Promise<void> {
    return this.#live?.promise ?? Promise.resolve();
  }

  /** From the bus. */
  take(message: Positioned): void {
    if (this.isLive && message.epoch === this.#epoch) {
      if (message.offset === this.#offset + 1) return this.#advance(message);
      if (message.offset <= this.#offset) return;
    }
    if (this.#held.length >= MAX_HELD) {
      this.#held = [];
      this.#hasOverflown = true;
    }
    this.#held.push(message);
    if (this.isLive) void this.repair();
  }

  /** Nothing is known any more of what happened since the last message: until `repair` has succeeded it is not live. */
  interrupt(): void {
    this.#interruptions += 1;
    this.#live ??= unsettled();
  }

  /**
   * Reads what was missed and delivers it, or tells that it is lost; then the topic is live. One at a time. False when Redis did not answer: then
   * somebody has to try again.
   */
  async repair(): Promise<boolean> {
    this.interrupt();
    if (this.#isReading) return true;
    this.#isReading = true;
    try {
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const before = this.#interruptions;
        this.#hasOverflown = false;
        this.#catchUp(await this.#ports.read(this.topic, this.#epoch === "" ? null : this.position));
        const isWhole = this.#drain() && !this.#hasOverflown;
        if (this.#interruptions !== before) round = -1;
        else if (isWhole) break;
      }
      this.#held = [];
      this.#live?.resolve();
      this.#live = null;
      return true;
    } catch {
      return false;
    } finally {
      this.#isReading = false;
    }
  }

  /** Resolves once live delivery has come as far as what was read. */
  reached(history: Position): Promise<void> {
    if (history.epoch !== this.#epoch || history.offset <= this.#offset) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ offset: history.offset, resolve }));
  }

  /** Messages that are kept for those who are reading. */
  get held(): number {
    return this.#recent.length;
  }

  /** From now on what is delivered is kept for `upToNow`, until `endReading`. */
  beginReading(): Reader {
    const reader = { offset: this.#offset };
    this.#readers.add(reader);
    return reader;
  }

  /** In a busy topic somebody is always reading: what all of them began behind is dropped. */
  endReading(reader: Reader): void {
    this.#readers.delete(reader);
    const [oldest] = this.#readers;
    const needed = oldest === undefined ? 0 : this.#offset - oldest.offset;
    if (needed <= this.#recent.length / 2) this.#recent = needed === 0 ? [] : this.#recent.slice(-needed);
  }

  /** What was read, and what was delivered since: it ends where live delivery stands now. Null when the two do not meet. */
  upToNow(history: History): History | null {
    if (!this.isLive || history.epoch !== this.#epoch || history.offset > this.#offset) return null;
    if (!history.recovered) return { ...this.position, messages: [], recovered: false };
    const count = this.#offset - history.offset;
    if (count > this.#recent.length) return null;
    const since = count === 0 ? [] : this.#recent.slice(-count);
    return { ...this.position, messages: [...history.messages, ...since], recovered: true };
  }

  #advance(message: Positioned): void {
    this.#offset = message.offset;
    if (this.#readers.size > 0 && this.#recent.push(message) > MAX_RECENT) this.#recent = [];
    this.#ports.deliver(this.topic, message);
    if (this.#waiting.length > 0) this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) {
      if (each.offset > this.#offset) this.#waiting.push(each);
      else each.resolve();
    }
  }

  #catchUp(history: History): void {
    if (this.#epoch === "") {
      // The first time: nobody here has missed anything.
      this.#standAt(history);
    } else if (history.epoch === this.#epoch && history.recovered) {
      for (const message of history.messages) {
        if (message.offset === this.#offset + 1) this.#advance(message);
      }
    } else if (history.epoch !== this.#epoch || history.offset > this.#offset) {
      this.#lose(history);
    }
  }

  /** Up to where the stream stands, or up to the first of the messages that came by the bus. */
  #lose(history: History): void {
    let { offset } = history;
    for (const held of this.#held) {
      if (held.epoch === history.epoch) offset = Math.min(offset, held.offset - 1);
    }
    const isKnown = history.epoch === this.#epoch && offset <= this.#offset;
    if (isKnown) return;
    this.#standAt({ offset, epoch: history.epoch });
    this.#ports.lose(this.topic, this.position);
  }

  #standAt({ offset, epoch }: Position): void {
    this.#offset = offset;
    this.#epoch = epoch;
    this.#recent = [];
    for (const reader of this.#readers) reader.offset = offset;
    // Whoever waits for an offset of another epoch reads again.
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting = [];
  }

  /** Delivers what waits, in order. False when there is still a hole before some of it. */
  #drain(): boolean {
    const held = this.#held.toSorted((left, right) => left.offset - right.offset);
    this.#held = [];
    for (const message of held) {
      if (message.epoch !== this.#epoch || message.offset > this.#offset + 1) this.#held.push(message);
      else if (message.offset === this.#offset + 1) this.#advance(message);
    }
    return this.#held.length === 0;
  }
}

function unsettled(): PromiseWithResolvers<void> {
  return Promise.withResolvers<void>();
}
