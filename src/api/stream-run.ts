import type { Backend } from "../hub/backend.ts";
import { type Bucket, fullBucket, type Rate, take } from "../hub/limits.ts";
import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { StreamItem, StreamItems } from "./stream-items.ts";

/** Where the items of one request go, and under which names. */
export interface StreamTarget {
  readonly topic: string;
  /** Of items that name none themselves. */
  readonly event: string;
  /** The item n has the id `prefix.n`; undefined makes one for each. */
  readonly idPrefix: string | undefined;
}

export interface StreamRunPorts {
  readonly backend: Pick<Backend, "publish">;
  readonly clock: Clock;
  /** Bytes of the whole body. */
  readonly maxBytes: number;
  /** Throws when who began the stream may not go on with it. */
  readonly requireStanding: () => void;
}

/** What is used of a stream's reader. */
interface BodyReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** A body that brings more is read no faster: its sender has to wait. */
const ITEMS: Rate = { perSecond: 200, burst: 200 };
const MAX_SILENCE_MS = 30_000;
const MAX_DURATION_MS = 600_000;
/** Bytes after which others have their turn: a body of nothing but ends of lines took the loop for most of a second. */
const TURN_BYTES = 16_384;

/** One body whose items are published as they arrive, each after the one before. */
export class StreamRun {
  readonly #ports: StreamRunPorts;
  readonly #target: StreamTarget;
  readonly #items: StreamItems;
  readonly #bucket: Bucket;
  #reader: BodyReader | null = null;
  #hasStopped = false;
  #bytes = 0;
  #bytesInTurn = 0;
  /** Monotonic: when the last line was done with. */
  #lastLineMs: number;
  published = 0;

  constructor(ports: StreamRunPorts, target: StreamTarget, items: StreamItems) {
    this.#ports = ports;
    this.#target = target;
    this.#items = items;
    this.#lastLineMs = ports.clock.monotonic();
    this.#bucket = fullBucket(ITEMS, this.#lastLineMs);
  }

  /**
   * Settles at the end of the body, or at the end that it announces. Rejects BAD_REQUEST for a bad item, a body that breaks off, and one
   * that is silent or goes on for too long; MESSAGE_TOO_LARGE; as `requireStanding`; and as `Backend.publish`. What was published by then stays so.
   */
  async run(body: ReadableStream<Uint8Array>, gone: AbortSignal): Promise<void> {
    const stop = (): void => this.#stop();
    const cancelDeadline = this.#ports.clock.after(MAX_DURATION_MS, stop);
    gone.addEventListener("abort", stop);
    const reader = body.getReader();
    this.#reader = reader;
    try {
      await this.#pump(reader);
    } finally {
      cancelDeadline();
      gone.removeEventListener("abort", stop);
      this.#release(reader);
    }
  }

  async #pump(reader: BodyReader): Promise<void> {
    while (!this.#items.isEnded) {
      const chunk = await this.#read(reader);
      if (chunk === null) {
        await this.#publishAll(this.#items.end());
        return;
      }
      this.#bytes += chunk.byteLength;
      const { maxBytes } = this.#ports;
      if (this.#bytes > maxBytes) throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: maxBytes });
      const linesBefore = this.#items.lineCount;
      for (let at = 0; at < chunk.length && !this.#items.isEnded; at += TURN_BYTES) {
        await this.#publishAll(this.#items.push(chunk.subarray(at, at + TURN_BYTES)));
        await this.#turn(Math.min(TURN_BYTES, chunk.length - at));
      }
      if (this.#items.lineCount > linesBefore) this.#lastLineMs = this.#ports.clock.monotonic();
    }
  }

  /** Also between chunks: those that are here already are read without a wait. */
  async #turn(bytes: number): Promise<void> {
    this.#bytesInTurn += bytes;
    if (this.#bytesInTurn < TURN_BYTES) return;
    this.#bytesInTurn = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Null at the end. */
  async #read(reader: BodyReader): Promise<Uint8Array | null> {
    const { clock } = this.#ports;
    const leftMs = this.#lastLineMs + MAX_SILENCE_MS - clock.monotonic();
    const cancelSilence = clock.after(Math.max(0, leftMs), () => this.#stop());
    try {
      const { done, value } = await reader.read();
      this.#check();
      return done || value === undefined ? null : value;
    } catch (error) {
      // A body that breaks off is the client's doing, not a failure of ours.
      throw error instanceof ProtocolError ? error : new ProtocolError("BAD_REQUEST", {}, error);
    } finally {
      cancelSilence();
    }
  }

  async #publishAll(items: Iterable<StreamItem>): Promise<void> {
    for (const item of items) {
      const waitMs = take(this.#bucket, ITEMS, 1, this.#ports.clock.monotonic());
      if (waitMs > 0) await this.#pause(waitMs);
      this.#check();
      const taken = this.#publish(item);
      if (taken instanceof Promise) await taken;
      this.published += 1;
    }
  }

  #publish({ event, data }: StreamItem): unknown {
    const { topic, event: fallback, idPrefix } = this.#target;
    const messageId = idPrefix === undefined ? undefined : `${idPrefix}.${this.published + 1}`;
    return this.#ports.backend.publish(topic, { event: event ?? fallback, data, messageId });
  }

  /** Until the next item may go, and it has paid. */
  async #pause(waitMs: number): Promise<void> {
    const { clock } = this.#ports;
    let leftMs = waitMs;
    while (leftMs > 0 && !this.#hasStopped) {
      const forMs = leftMs;
      await new Promise<void>((resolve) => void clock.after(forMs, resolve));
      leftMs = take(this.#bucket, ITEMS, 1, clock.monotonic());
    }
  }

  #check(): void {
    if (this.#hasStopped) throw new ProtocolError("BAD_REQUEST");
    this.#ports.requireStanding();
  }

  /** Also ends the read that waits. */
  #stop(): void {
    this.#hasStopped = true;
    if (this.#reader !== null) this.#release(this.#reader);
  }

  /** Nothing more is read of the body; what still comes is thrown away. */
  #release(reader: BodyReader): void {
    void reader.cancel().catch(() => undefined);
  }
}
