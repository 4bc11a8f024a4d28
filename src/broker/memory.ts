import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type {
  Broker,
  BrokerHeld,
  Deliver,
  Entrance,
  History,
  Identity,
  Position,
  Positioned,
  Publication,
} from "./broker.ts";
import { type MessageIdBounds, MessageIds } from "./message-ids.ts";
import { payloadHash } from "./payload-hash.ts";
import type { StreamBounds } from "./stream.ts";
import { Stream } from "./stream.ts";

export interface MemoryBrokerOptions {
  /** Messages kept per topic. */
  readonly historySize: number;
  /** Bytes kept per topic. */
  readonly historyBytes: number;
  readonly historyTtlMs: number;
  /** Bytes kept on the node; over it the topics that were quiet for the longest give up theirs first. */
  readonly maxHistoryBytes: number;
}

/** How long a topic's offset outlives its last message. Afterwards the topic starts again at 1, in another epoch. */
export const STREAM_TTL_MS = 3_600_000;

/** How exactly streams are ordered by their last message. */
const RANK_INTERVAL_MS = 1_000;

/** How much the broker remembers beside messages. */
export interface MemoryBrokerBounds {
  /** Over it the topic that was quiet for the longest starts again. */
  readonly maxStreams?: number;
  readonly messageIds?: MessageIdBounds;
}

const MAX_STREAMS = 100_000;

const NONE: readonly Positioned[] = [];

/** Topics whose stream ended, remembered so that their next one gets another epoch. */
const MAX_ENDED = 100_000;

/** The broker of a single node: everything happens within the call. */
export class MemoryBroker implements Broker {
  readonly name = "memory";
  readonly ready = true;
  evictedTopics = 0;
  readonly #deliver: Deliver;
  readonly #clock: Clock;
  readonly #bounds: StreamBounds;
  readonly #maxBytes: number;
  readonly #maxStreams: number;
  /** In the order of their last message, to a second. */
  readonly #streams = new Map<string, Stream>();
  /** Those of them that keep messages, in the same order. */
  readonly #keeping = new Map<string, Stream>();
  readonly #ended = new Map<string, number>();
  readonly #messageIds: MessageIds;
  #epochBase = crypto.randomUUID().slice(0, 8);
  #bytes = 0;

  constructor(options: MemoryBrokerOptions, clock: Clock, deliver: Deliver, bounds: MemoryBrokerBounds = {}) {
    this.#maxStreams = bounds.maxStreams ?? MAX_STREAMS;
    this.#messageIds = new MessageIds(bounds.messageIds);
    this.#bounds = { size: options.historySize, bytes: options.historyBytes, ttlMs: options.historyTtlMs };
    this.#maxBytes = options.maxHistoryBytes;
    this.#clock = clock;
    this.#deliver = deliver;
  }

  /** Bytes of messages kept on this node. */
  get historyBytes(): number {
    return this.#bytes;
  }

  get droppedMessageIds(): number {
    return this.#messageIds.dropped;
  }

  get held(): BrokerHeld {
    return {
      positions: this.#streams.size,
      histories: this.#keeping.size,
      endedTopics: this.#ended.size,
      messageIds: this.#messageIds.size,
    };
  }

  publish(publication: Publication, keepsHistory: boolean): Position {
    const { topic, identity } = publication;
    const stream = this.#streams.get(topic) ?? new Stream(this.#nextEpoch(topic));
    const key = identity === null ? "" : keyOf(topic, identity);
    if (identity !== null) {
      const first = this.#answered(key, identity, stream);
      if (first !== null) return first;
    }
    const bytesBefore = stream.footprint;
    const nowMs = this.#clock.monotonic();
    const message = stream.append(publication.body, keepsHistory ? this.#bounds : null, nowMs);
    if (nowMs - stream.rankedMs >= RANK_INTERVAL_MS) this.#rank(topic, stream, keepsHistory, nowMs);
    if (keepsHistory) {
      this.#bytes += stream.footprint - bytesBefore;
      if (this.#bytes > this.#maxBytes) this.#evict();
    }
    if (identity !== null) {
      const { offset, epoch } = message;
      const { low, high } = payloadHash(identity.payload);
      this.#messageIds.add(key, { offset, epoch, low, high }, nowMs);
    }
    this.#deliver(topic, message);
    return message;
  }

  /** The answer to the message that had this id before; null when there was none in this epoch. */
  #answered(key: string, { payload }: Identity, stream: Stream): Position | null {
    const used = this.#messageIds.get(key);
    if (used === undefined || used.epoch !== stream.epoch) return null;
    const { low, high } = payloadHash(payload);
    if (used.low !== low || used.high !== high) throw new ProtocolError("MESSAGE_ID_REUSED");
    return used;
  }

  /** Moves a stream behind all others: not for every message, since that costs more than the rest of it. */
  #rank(topic: string, stream: Stream, keepsHistory: boolean, nowMs: number): void {
    stream.rankedMs = nowMs;
    touch(this.#streams, topic, stream);
    if (keepsHistory) touch(this.#keeping, topic, stream);
    if (this.#streams.size > this.#maxStreams) this.#endQuietest();
  }

  position(topic: string): Position {
    const stream = this.#streams.get(topic);
    if (stream === undefined) return { offset: 0, epoch: this.#nextEpoch(topic) };
    return { offset: stream.offset, epoch: stream.epoch };
  }

  history(topic: string, since: Position | null, limit: number): History {
    const stream = this.#streams.get(topic);
    if (stream === undefined) {
      const position = this.position(topic);
      const isCurrent = since === null || (since.epoch === position.epoch && since.offset === 0);
      return { ...position, messages: [], recovered: isCurrent };
    }
    const bytesBefore = stream.footprint;
    stream.trim(this.#bounds, this.#clock.monotonic());
    this.#bytes += stream.footprint - bytesBefore;
    return since === null ? stream.newest(limit) : stream.after(since, limit);
  }

  enter<T>(entrances: readonly Entrance[], use: (histories: readonly History[]) => T | Promise<T>): T | Promise<T> {
    const histories: History[] = [];
    for (const { topic, since } of entrances) {
      histories.push(since === null ? this.#standing(topic) : this.history(topic, since, Number.POSITIVE_INFINITY));
    }
    return use(histories);
  }

  #standing(topic: string): History {
    const { offset, epoch } = this.position(topic);
    return { offset, epoch, messages: NONE, recovered: true };
  }

  /** A node by itself is told of every message anyway. */
  follow(): void {}

  unfollow(): void {}

  sweep(): void {
    const nowMs = this.#clock.monotonic();
    for (const [topic, stream] of this.#keeping) {
      if (nowMs - stream.lastAppendMs < this.#bounds.ttlMs) break;
      this.#forget(topic, stream);
    }
    for (const [topic, stream] of this.#streams) {
      if (nowMs - stream.lastAppendMs < STREAM_TTL_MS) break;
      this.#end(topic, stream);
    }
    this.#messageIds.sweep(nowMs);
  }

  async stop(): Promise<void> {
    this.#streams.clear();
    this.#keeping.clear();
    this.#bytes = 0;
  }

  /** The epoch of the stream that the topic's next message starts. The same until then, so that members may rely on it. */
  #nextEpoch(topic: string): string {
    const generation = this.#ended.get(topic);
    return generation === undefined ? this.#epochBase : `${this.#epochBase}.${generation}`;
  }

  #endQuietest(): void {
    for (const [topic, stream] of this.#streams) {
      this.#end(topic, stream);
      return;
    }
  }

  #end(topic: string, stream: Stream): void {
    this.#forget(topic, stream);
    this.#streams.delete(topic);
    this.#rememberEnd(topic, stream.epoch);
  }

  #rememberEnd(topic: string, epoch: string): void {
    if (this.#ended.size >= MAX_ENDED) {
      this.#ended.clear();
      this.#epochBase = crypto.randomUUID().slice(0, 8);
    }
    const [, generation] = epoch.split(".");
    this.#ended.set(topic, generation === undefined ? 1 : Number(generation) + 1);
  }

  #evict(): void {
    for (const [topic, stream] of this.#keeping) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#forget(topic, stream);
      this.evictedTopics += 1;
    }
  }

  /** Gives up the messages; offset and epoch stay. */
  #forget(topic: string, stream: Stream): void {
    this.#bytes -= stream.footprint;
    stream.clear();
    stream.rankedMs = Number.NEGATIVE_INFINITY;
    this.#keeping.delete(topic);
  }
}

/** Neither topics nor user ids hold a line break, so two keys are one only when all three parts are. */
function keyOf(topic: string, { userId, messageId }: Identity): string {
  return `${topic}\n${userId}\n${messageId}`;
}

function touch(streams: Map<string, Stream>, topic: string, stream: Stream): void {
  streams.delete(topic);
  streams.set(topic, stream);
}
