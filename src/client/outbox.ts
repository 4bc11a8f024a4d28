import { TautlineError } from "./error.ts";
import { type Frame, NO_FRAME } from "./frame.ts";

/** What the outbox knows of a topic. */
export interface Place {
  readonly isJoined: boolean | undefined;
  readonly isOver: boolean | undefined;
}

/** A request that is to be answered. */
export interface Outgoing {
  /** The `id` of its frame. */
  readonly id: number;
  /** Which has to be joined before it is sent; undefined for what is about this connection: a join or a leave. */
  readonly place?: Place;
  /** Which it joins. */
  readonly joins?: Place;
  /** The frame as JSON, made when it was asked for: what changes later is not sent. */
  readonly json: string;
  /** A message has an outcome, and must not be delivered twice; other requests are simply made again. */
  readonly isMessage: boolean;
  /** With no frame where the connection ended and the next one begins anew. */
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: TautlineError) => void;
}

interface Waiting extends Outgoing {
  firstSentMs?: number;
  isInFlight?: boolean;
  /** It was on its way when a connection ended: nobody knows whether it arrived. */
  isUncertain?: boolean | undefined;
}

/** A node knows a message id for five minutes. One that is sent again later could be delivered twice. */
export const OUTCOME_WITHIN_MS = 240_000;
/** Requests that are sent and not answered yet. */
const MAX_IN_FLIGHT = 32;

/** What is not answered yet, in the order in which it was asked for. Bounded; pure, but for what the requests do with their answers. */
export class Outbox {
  readonly #maxMessages: number;
  readonly #maxLength: number;
  readonly #waiting = new Map<unknown, Waiting>();
  #length = 0;
  /** How many may be in flight before the next: one after the node refused one for being too fast, and one more with every answer. */
  #window = MAX_IN_FLIGHT;
  #notBeforeMs = 0;

  /** `maxLength` is that of the frames as JSON, in UTF-16 units. */
  constructor(maxMessages: number, maxLength: number) {
    this.#maxMessages = maxMessages;
    this.#maxLength = maxLength;
  }

  add(outgoing: Outgoing): void {
    this.#length += outgoing.json.length;
    this.#waiting.set(outgoing.id, outgoing);
    const isFull = this.#waiting.size > this.#maxMessages || this.#length > this.#maxLength;
    if (isFull && outgoing.place) this.fail(outgoing.id, new TautlineError("QUEUE_FULL"));
  }

  /** Hands out what is to be sent now. */
  next(nowMs: number): Outgoing | undefined {
    if (nowMs < this.#notBeforeMs) return undefined;
    let inFlight = 0;
    for (const waiting of this.#waiting.values()) {
      if (waiting.isInFlight && ++inFlight >= this.#window) return undefined;
      // A machine that slept may come here before it comes to `expire`.
      if (waiting.isInFlight || leftMs(waiting, nowMs) <= 0 || (waiting.place && !waiting.place.isJoined)) continue;
      waiting.firstSentMs ??= nowMs;
      waiting.isInFlight = true;
      return waiting;
    }
    return undefined;
  }

  /** Gives the answer out. False when nobody waits for it. */
  answer(id: unknown, frame: Frame): boolean {
    const waiting = this.take(id);
    waiting?.resolve(frame);
    this.#window = Math.min(MAX_IN_FLIGHT, this.#window + 1);
    return !!waiting;
  }

  /** The node refused it for now: it stays, and is sent again. False when it does not wait, or has to be told. */
  postpone(id: unknown, code: string, untilMs: number): boolean {
    const waiting = this.#waiting.get(id);
    const isRefused = code === "RATE_LIMITED";
    if (!waiting || isOver(waiting) || !(isRefused || waiting.isMessage || !waiting.place)) return false;
    waiting.isInFlight = false;
    waiting.isUncertain ||= !isRefused;
    this.#window = 1;
    this.#notBeforeMs = untilMs;
    return true;
  }

  /** Ends with the error, or with `UNKNOWN_OUTCOME` where an earlier try may have got through. */
  fail(id: unknown, error: TautlineError): boolean {
    const waiting = this.take(id);
    const isOpen = waiting?.isMessage && waiting.isUncertain;
    waiting?.reject(isOpen ? new TautlineError("UNKNOWN_OUTCOME", { cause: error }) : error);
    return !!waiting;
  }

  /** The connection ended. */
  lost(): void {
    for (const waiting of this.#waiting.values()) {
      waiting.isUncertain ||= waiting.isInFlight;
      waiting.isInFlight = false;
      if (!waiting.place) this.answer(waiting.id, NO_FRAME);
    }
    this.#window = MAX_IN_FLIGHT;
    this.#notBeforeMs = 0;
  }

  /** Ends what is not on its way: of the topics that are over, or all of it. */
  end(error: TautlineError, isAll = false): void {
    for (const waiting of this.#waiting.values())
      if (!waiting.isInFlight && (isAll || isOver(waiting))) this.fail(waiting.id, error);
  }

  /** Gives messages back that were sent too long ago. Answers in how many milliseconds there is something to do; infinite for nothing. */
  expire(nowMs: number): number {
    let nextMs = this.#notBeforeMs > nowMs ? this.#notBeforeMs - nowMs : Infinity;
    for (const waiting of this.#waiting.values()) {
      const ms = leftMs(waiting, nowMs);
      if (ms <= 0) this.take(waiting.id)?.reject(new TautlineError("UNKNOWN_OUTCOME"));
      else nextMs = Math.min(nextMs, ms);
    }
    return nextMs;
  }

  /** It is waited for no longer. */
  take(id: unknown): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting) {
      this.#waiting.delete(id);
      this.#length -= waiting.json.length;
    }
    return waiting;
  }
}

/** Nobody is there any more whom it would be for. */
function isOver({ place, joins }: Outgoing): unknown {
  return (place ?? joins)?.isOver;
}

/** In which it may be sent again. */
function leftMs({ isMessage, firstSentMs }: Waiting, nowMs: number): number {
  return isMessage && firstSentMs !== undefined ? firstSentMs + OUTCOME_WITHIN_MS - nowMs : Infinity;
}
