import { close, constants, fstatSync, openSync, write } from "node:fs";
import type { Clock } from "./clock.ts";
import { LineQueue } from "./line-queue.ts";

/**
 * A bounded, asynchronous writer of lines. Nothing that the other end does (a full pipe, a full disk, a reader that went away, a file
 * that cannot be opened) blocks the event loop or throws: lines wait in memory up to a bound, more are dropped and counted, and a
 * line with their number goes out in their place once there is room.
 */

/** A file descriptor (1 is stdout) or the path of a file, which is created 0600 and only appended to. */
export type Target = number | string;

/** One source of lines; what it lost is reported by its own line. */
export interface LineWriter {
  /** Takes one line that ends in a newline. False when it was dropped. Never throws, never waits. */
  append(line: string): boolean;
  /** Lines dropped since the start. */
  readonly lost: number;
}

export interface Sink {
  /** `lostLine` makes the line, newline included, that says how many of this writer's lines are missing at that place. */
  writer(lostLine: (lost: number) => string): LineWriter;
  /** True once everything was handed to the operating system; false when `timeoutMs` passed before. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Flushes, then closes a file that the sink opened. Lines appended afterwards are dropped. */
  close(timeoutMs: number): Promise<void>;
  /** Lines dropped, over all writers. */
  readonly drops: number;
  /** Failed attempts to open or write, a full pipe not counted. */
  readonly errors: number;
  /** Code of the failure that stands in the way now (`ENOSPC`, `EACCES`); null when the last write succeeded. */
  readonly failure: string | null;
  readonly bufferedBytes: number;
}

export interface SinkOptions {
  readonly target: Target;
  readonly clock: Clock;
  /** Bytes of UTF-8 that may wait, those being written included. */
  readonly maxBufferedBytes?: number;
  /** How long a line may wait for others to go out with it. */
  readonly gatherMs?: number;
}

const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
const GATHER_MS = 10;
const FULL_PIPE_RETRY_MS = 5;
const MAX_FULL_PIPE_RETRY_MS = 160;
const FAILED_RETRY_MS = 1000;

class Writer implements LineWriter {
  readonly #lines: LineSink;
  readonly lostLine: (lost: number) => string;
  lost = 0;
  unreported = 0;

  constructor(lines: LineSink, lostLine: (lost: number) => string) {
    this.#lines = lines;
    this.lostLine = lostLine;
  }

  append(line: string): boolean {
    return this.#lines.append(this, line);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "UNKNOWN";
}

/**
 * A write to a full blocking pipe would hold a thread of the pool that also hashes passwords. Opening the pipe anew gives a description
 * of our own that may be non-blocking without changing the one shared with other processes. Files stay as they are: their offset is
 * shared with whatever else writes to that descriptor. Sockets cannot be opened (ENXIO): there one thread may wait.
 */
function openTarget(target: Target): number {
  if (typeof target === "string") {
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
    return openSync(target, flags, 0o600);
  }
  try {
    const stats = fstatSync(target);
    if (!stats.isFIFO() && !stats.isCharacterDevice()) return target;
    return openSync(`/proc/self/fd/${target}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return target;
  }
}

class LineSink implements Sink {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #maxBufferedBytes: number;
  readonly #gatherMs: number;
  readonly #writers: Writer[] = [];
  #descriptor: number | null = null;
  #closed = false;

  readonly #queue = new LineQueue();
  #writing = false;
  #cancelTimer: (() => void) | null = null;
  #retrying = false;
  #fullPipeRetryMs = FULL_PIPE_RETRY_MS;
  #dropping = false;
  #idle: (() => void)[] = [];

  drops = 0;
  errors = 0;
  failure: string | null = null;

  constructor(options: SinkOptions) {
    this.#target = options.target;
    this.#clock = options.clock;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? MAX_BUFFERED_BYTES;
    this.#gatherMs = options.gatherMs ?? GATHER_MS;
    this.#open();
  }

  get bufferedBytes(): number {
    return this.#queue.bytes;
  }

  writer(lostLine: (lost: number) => string): LineWriter {
    const writer = new Writer(this, lostLine);
    this.#writers.push(writer);
    return writer;
  }

  append(writer: Writer, line: string): boolean {
    // Once a line is dropped the next ones are too, until room was made: what follows a gap follows the line that reports it.
    if (this.#dropping || this.#closed || !this.#queue.hasRoom(line, this.#maxBufferedBytes)) {
      this.#dropping = true;
      this.drops += 1;
      writer.lost += 1;
      writer.unreported += 1;
      if (this.#queue.bytes === 0) this.#pumpAfter(this.#gatherMs);
      return false;
    }
    this.#gather(line);
    return true;
  }

  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#queue.bytes === 0) return true;
    this.#stopTimer();
    const drained = new Promise<boolean>((resolve) => {
      const whenIdle = (): void => {
        cancel();
        resolve(true);
      };
      const cancel = this.#clock.after(timeoutMs, () => {
        this.#idle = this.#idle.filter((other) => other !== whenIdle);
        resolve(false);
      });
      this.#idle.push(whenIdle);
    });
    this.#pump();
    return drained;
  }

  async close(timeoutMs: number): Promise<void> {
    await this.flush(timeoutMs);
    this.#closed = true;
    this.#stopTimer();
    const descriptor = this.#descriptor;
    // A descriptor with a write under way stays open: closing it would let its number be reused under that write.
    if (descriptor === null || descriptor === this.#target || this.#writing) return;
    this.#descriptor = null;
    await new Promise<void>((resolve) => close(descriptor, () => resolve()));
  }

  #gather(line: string): void {
    if (this.#queue.append(line)) {
      if (!this.#retrying) this.#pump();
    } else if (!this.#writing && this.#cancelTimer === null) {
      this.#pumpAfter(this.#gatherMs);
    }
  }

  #open(): boolean {
    if (this.#descriptor !== null) return true;
    try {
      this.#descriptor = openTarget(this.#target);
      return true;
    } catch (error) {
      this.#fail(codeOf(error));
      return false;
    }
  }

  #pump(): void {
    if (this.#writing || this.#closed) return;
    this.#stopTimer();
    if (!this.#open() || this.#descriptor === null) return this.#retryAfter(FAILED_RETRY_MS);
    if (this.#dropping && this.#queue.bytes === 0) this.#reportLost();
    const chunk = this.#queue.next();
    if (chunk === null) return this.#reportIdle();
    this.#writing = true;
    try {
      write(this.#descriptor, chunk, 0, chunk.length, null, this.#written);
    } catch (error) {
      this.#written(error instanceof Error ? error : new Error("write failed"), 0);
    }
  }

  #written = (error: Error | null, bytes: number): void => {
    this.#writing = false;
    if (error !== null) {
      const code = codeOf(error);
      if (code === "EAGAIN") {
        this.#retryAfter(this.#fullPipeRetryMs);
        this.#fullPipeRetryMs = Math.min(this.#fullPipeRetryMs * 2, MAX_FULL_PIPE_RETRY_MS);
      } else {
        this.#fail(code);
        this.#retryAfter(FAILED_RETRY_MS);
      }
      return;
    }
    this.failure = null;
    this.#fullPipeRetryMs = FULL_PIPE_RETRY_MS;
    this.#queue.wrote(bytes);
    // A whole chunk of room: reports of one line each would only take turns with single lines.
    if (this.#dropping && !this.#queue.inChunk) this.#reportLost();
    this.#pump();
  };

  #reportLost(): void {
    this.#dropping = false;
    for (const writer of this.#writers) {
      if (writer.unreported === 0) continue;
      const line = writer.lostLine(writer.unreported);
      writer.unreported = 0;
      this.#gather(line);
    }
  }

  #reportIdle(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  #fail(code: string): void {
    this.errors += 1;
    this.failure = code;
  }

  #retryAfter(ms: number): void {
    this.#pumpAfter(ms);
    this.#retrying = true;
  }

  #pumpAfter(ms: number): void {
    if (this.#closed) return;
    this.#stopTimer();
    this.#cancelTimer = this.#clock.after(ms, this.#timerFired);
  }

  #timerFired = (): void => {
    this.#cancelTimer = null;
    this.#retrying = false;
    this.#pump();
  };

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#retrying = false;
  }
}

/** A target that cannot be opened is no exception: `errors` and `failure` tell, and it is tried again while lines wait. */
export function createSink(options: SinkOptions): Sink {
  return new LineSink(options);
}
