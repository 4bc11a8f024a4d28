import { TautlineError } from "./error.ts";
import type { Frame } from "./frame.ts";

/** A request that is to be answered. */
export interface Outgoing {
  /** The `id` of its frame. */
  readonly id: string;
  readonly topic: string;
  /** The frame as JSON, made when it was asked for: what changes later is not sent. */
  readonly json: string;
  /** Messages have an outcome; other requests are simply made again. */
  readonly isMessage: boolean;
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: unknown) => void;
}

interface Waiting extends Outgoing {
  firstSentMs: number | null;
  isInFlight: boolean;
  /** It was on its way when a connection ended: nobody knows whether it arrived. */
  isUncertain: boolean;
}

export interface Bounds {
  readonly maxMessages: number;
  /** Of the frames as JSON, in UTF-16 units. */
  readonly maxLength: number;
}

/** A node knows a message id for five minutes. One that is sent again later could be delivered twice. */
export const OUTCOME_WITHIN_MS = 240_000;
/** Requests that are sent and not answered yet. */
const MAX_IN_FLIGHT = 32;

/** What is not answered yet, in the order in which it was asked for. Bounded. */
export class Outbox {
  readonly #bounds: Bounds;
  readonly #waiting = new Map<string, Waiting>();
  #length = 0;
  #inFlight = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(outgoing: Outgoing): void {
    const { maxMessages, maxLength } = this.#bounds;
    if (this.#waiting.size >= maxMessages || this.#length + outgoing.json.length > maxLength)
      throw new TautlineError("QUEUE_FULL");
    this.#length += outgoing.json.length;
    this.#waiting.set(outgoing.id, { ...outgoing, firstSentMs: null, isInFlight: false, isUncertain: false });
  }

  /** What is to be sent next, of the topics that are ready; it counts as sent only with `sent`. */
  next(isReady: (topic: string) => boolean, nowMs: number): Outgoing | null {
    if (this.#inFlight >= MAX_IN_FLIGHT) return null;
    for (const waiting of this.#waiting.values()) {
      // A machine that slept may come here before it comes to `expire`.
      if (!waiting.isInFlight && leftMs(waiting, nowMs) > 0 && isReady(waiting.topic)) return waiting;
    }
    return null;
  }

  sent(id: string, nowMs: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    waiting.firstSentMs ??= nowMs;
    waiting.isInFlight = true;
    this.#inFlight += 1;
  }

  /** Gives the answer out. False when nobody waits for it. */
  answer(id: unknown, frame: Frame): boolean {
    const waiting = this.#take(id);
    waiting?.resolve(frame);
    return waiting !== null;
  }

  /** The node refused it for now: it stays, and is sent again. False when it does not wait, or is nothing that must not be lost. */
  postpone(id: unknown, code: string): boolean {
    const waiting = this.#waiting.get(String(id));
    const isRefused = code === "RATE_LIMITED";
    if (waiting === undefined || !(isRefused || waiting.isMessage)) return false;
    this.#land(waiting);
    waiting.isUncertain ||= !isRefused;
    return true;
  }

  /** Ends with the error, or with `UNKNOWN_OUTCOME` where an earlier try may have got through. */
  fail(id: unknown, error: TautlineError): boolean {
    const waiting = this.#take(id);
    if (waiting !== null) reject(waiting, error);
    return waiting !== null;
  }

  /** The caller does not wait any longer. */
  forget(id: string): void {
    this.#take(id);
  }

  /** The connection ended. */
  lost(): void {
    for (const waiting of this.#waiting.values()) {
      waiting.isUncertain ||= waiting.isInFlight;
      this.#land(waiting);
    }
  }

  /** Ends what is not on its way, of the topics that are meant. */
  end(error: TautlineError, isMeant: (topic: string) => boolean): void {
    for (const { id, isInFlight, topic } of [...this.#waiting.values()])
      if (!isInFlight && isMeant(topic)) this.fail(id, error);
  }

  /** Gives messages back that were sent long ago. Answers when to look again; null when there is nothing to look for. */
  expire(nowMs: number): number | null {
    let nextMs: number | null = null;
    for (const waiting of [...this.#waiting.values()]) {
      const ms = leftMs(waiting, nowMs);
      if (ms <= 0) this.fail(waiting.id, new TautlineError("UNKNOWN_OUTCOME"));
      else if (ms < Infinity) nextMs = Math.min(nextMs ?? ms, ms);
    }
    return nextMs;
  }

  #take(id: unknown): Waiting | null {
    const waiting = this.#waiting.get(String(id));
    if (waiting === undefined) return null;
    this.#land(waiting);
    this.#waiting.delete(waiting.id);
    this.#length -= waiting.json.length;
    return waiting;
  }

  #land(waiting: Waiting): void {
    if (waiting.isInFlight) this.#inFlight -= 1;
    waiting.isInFlight = false;
  }
}

/** In which it may be sent again. */
function leftMs({ isMessage, firstSentMs }: Waiting, nowMs: number): number {
  return isMessage && firstSentMs !== null ? firstSentMs + OUTCOME_WITHIN_MS - nowMs : Infinity;
}

function reject({ isMessage, isUncertain, reject }: Waiting, error: TautlineError): void {
  const isOpen = isMessage && isUncertain && error.code !== "UNKNOWN_OUTCOME";
  reject(isOpen ? new TautlineError("UNKNOWN_OUTCOME", { cause: error }) : error);
}
