import type { Socket } from "node:net";
import type { Random } from "./random.ts";

export type Direction = "toServer" | "toClient";

interface Waiting {
  /** Null: the end of the stream, which keeps its place behind the bytes. */
  readonly bytes: Buffer | null;
  readonly dueMs: number;
}

/** What waits here at most; beyond it (and what a socket has read already, some 200 KB in Bun) the source is not read. */
const MAX_QUEUED_BYTES = 262_144;
/** A slow line passes what it may in this time at once. */
const SLICE_MS = 20;

/**
 * One direction of one connection, with its faults. All that it may drop or end is at the target's side: the source notices nothing
 * that TCP would not tell it. Bun reports the reset of a socket that is paused at once, but its end only behind its bytes.
 */
export class Flow {
  /** Given to the target, which may not have read them yet. */
  passedBytes = 0;
  droppedBytes = 0;
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #random: Random;
  readonly #cut: () => void;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastDueMs = 0;
  #lineFreeMs = 0;
  #isPaused = false;
  #isOver = false;
  #isResetHeld = false;

  #delayMs = 0;
  #jitterMs = 0;
  #bytesPerSecond = Infinity;
  #cutAtBytes = Infinity;
  #cutsAtNext = false;
  #isStalled = false;
  #isBlackhole = false;
  #hasHole = false;

  /** `cut` ends the whole connection behind what has passed here. */
  constructor(source: Socket, target: Socket, random: Random, cut: () => void) {
    this.#source = source;
    this.#target = target;
    this.#random = random;
    this.#cut = cut;
    source.on("data", (bytes) => this.#receive(typeof bytes === "string" ? Buffer.from(bytes) : bytes));
    source.on("end", () => this.#receive(null));
    source.on("close", (hadError) => {
      if (hadError || !source.readableEnded) this.#sourceReset();
    });
    target.on("drain", () => this.#pump());
  }

  /** Something has vanished here, bytes or the end: TCP cannot go on from that. */
  get hasHole(): boolean {
    return this.#hasHole;
  }

  get isBlackhole(): boolean {
    return this.#isBlackhole;
  }

  delay(ms: number, jitterMs: number): void {
    this.#delayMs = ms;
    this.#jitterMs = jitterMs;
  }

  bandwidth(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  cutAfter(bytes: number): void {
    this.#cutAtBytes = this.passedBytes + bytes;
    if (bytes === 0) this.#cut();
  }

  cutAtNext(): void {
    this.#cutsAtNext = true;
  }

  stall(): void {
    this.#isStalled = true;
    this.#pump();
  }

  blackhole(): void {
    this.#isBlackhole = true;
    this.#dropQueue();
  }

  /** The target is told that this was all; what still comes is dropped. */
  end(): void {
    this.over();
    this.#target.end();
  }

  /** Nothing passes any more. The source is read on: only so is its end seen. */
  over(): void {
    this.#isOver = true;
    this.#isStalled = false;
    this.#dropQueue();
  }

  heal(): void {
    this.delay(0, 0);
    this.#bytesPerSecond = Infinity;
    this.#cutAtBytes = Infinity;
    this.#cutsAtNext = false;
    this.#isBlackhole = false;
    this.#isStalled = false;
    this.#lineFreeMs = 0;
    this.#lastDueMs = 0;
    this.#queue = this.#queue.map(({ bytes }) => ({ bytes, dueMs: 0 }));
    if (this.#isResetHeld) this.#sourceReset();
    else this.#pump();
  }

  #receive(bytes: Buffer | null): void {
    if (this.#isOver || this.#isBlackhole) return this.#drop(bytes);
    if (this.#cutsAtNext) {
      this.#drop(bytes);
      return this.#cut();
    }
    if (this.#delayMs + this.#jitterMs > 0) {
      const dueMs = performance.now() + this.#delayMs + this.#random.next() * this.#jitterMs;
      this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    }
    this.#queue.push({ bytes, dueMs: this.#lastDueMs });
    this.#queuedBytes += bytes?.length ?? 0;
    this.#pump();
  }

  /** The source is gone, and what it had sent with it. */
  #sourceReset(): void {
    if (this.#isOver) return;
    if (this.#isBlackhole) this.#hasHole = true;
    else if (this.#isStalled) this.#isResetHeld = true;
    else {
      this.over();
      this.#target.resetAndDestroy();
    }
  }

  #pump(): void {
    clearTimeout(this.#timer);
    while (!this.#isStalled && !this.#target.writableNeedDrain) {
      const [first] = this.#queue;
      if (first === undefined) break;
      const waitMs = Math.max(first.dueMs, this.#lineFreeMs) - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(waitMs));
        break;
      }
      if (first.bytes === null) return this.end();
      this.#pass(first.bytes);
    }
    const isFull = this.#queuedBytes > MAX_QUEUED_BYTES;
    this.#pause(this.#isStalled || isFull);
  }

  /** As many of them as a slow line takes at once, and none behind the cut. */
  #pass(bytes: Buffer): void {
    const slice = Math.max(1, Math.floor((this.#bytesPerSecond * SLICE_MS) / 1_000));
    const passing = bytes.subarray(0, Math.min(slice, this.#cutAtBytes - this.passedBytes));
    const rest = bytes.subarray(passing.length);
    if (rest.length > 0) this.#queue[0] = { bytes: rest, dueMs: 0 };
    else this.#queue.shift();
    this.#queuedBytes -= passing.length;
    this.passedBytes += passing.length;
    this.#lineFreeMs = performance.now() + (passing.length / this.#bytesPerSecond) * 1_000;
    this.#target.write(passing);
    if (this.passedBytes === this.#cutAtBytes) this.#cut();
  }

  #drop(bytes: Buffer | null): void {
    this.droppedBytes += bytes?.length ?? 0;
    if (this.#isBlackhole) this.#hasHole = true;
  }

  #dropQueue(): void {
    for (const { bytes } of this.#queue) this.#drop(bytes);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#pump();
  }

  #pause(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#source.pause();
    else this.#source.resume();
  }
}
