/** How often the node looks whether its event loop comes round. */
export const BEAT_MS = 50;

/** Overloaded above the threshold, until below half of it: between the two it stays as it was. */
export function isOverloaded(was: boolean, loopDelayP99Ms: number, thresholdMs: number): boolean {
  return loopDelayP99Ms > (was ? thresholdMs / 2 : thresholdMs);
}

/**
 * Whether the event loop is so far behind that new connections would make it worse. It begins as soon as a beat is missing for as long as
 * the threshold, which is seen between two beats as well: in a storm handshakes come one after the other, and no timer. It ends by the
 * measure of a whole second.
 */
export class Overload {
  readonly #thresholdMs: number;
  /** Before the first one nothing is late. */
  #beatMs = Number.POSITIVE_INFINITY;
  #isOver = false;
  /** Since the last sample. */
  #latestMs = 0;

  constructor(thresholdMs: number) {
    this.#thresholdMs = thresholdMs;
  }

  isOver(nowMs: number): boolean {
    return this.#isOver || this.#isLate(nowMs);
  }

  /** Every `BEAT_MS`, by a timer. */
  beat(nowMs: number): void {
    if (this.#isLate(nowMs)) this.#isOver = true;
    this.#latestMs = Math.max(this.#latestMs, nowMs - this.#beatMs - BEAT_MS);
    this.#beatMs = nowMs;
  }

  /** Once a second: the 99th percentile of its event loop delay, which may not know yet of what a beat has just seen. */
  sample(loopDelayP99Ms: number): void {
    this.#isOver = isOverloaded(this.#isOver, Math.max(loopDelayP99Ms, this.#latestMs), this.#thresholdMs);
    this.#latestMs = 0;
  }

  #isLate(nowMs: number): boolean {
    return nowMs - this.#beatMs > BEAT_MS + this.#thresholdMs;
  }
}
