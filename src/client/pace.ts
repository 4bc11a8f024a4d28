/**
 * How fast a client may send, so that the node has nothing to refuse: as many frames at once as one second brings.
 */
export class Pace {
  #perSecond = Infinity;
  #tokens = Infinity;
  #atMs = 0;
  #notBeforeMs = 0;

  /** What the greeting announces; 0 is no limit. */
  reset(perSecond: number, nowMs: number): void {
    this.#perSecond = perSecond > 0 ? perSecond : Infinity;
    this.#tokens = this.#perSecond;
    this.#atMs = nowMs;
    this.#notBeforeMs = nowMs;
  }

  /** 0 when a frame may go now, and counts it; else the milliseconds until one may. */
  take(nowMs: number): number {
    if (nowMs < this.#notBeforeMs) return this.#notBeforeMs - nowMs;
    if (this.#perSecond === Infinity) return 0;
    const gained = ((nowMs - this.#atMs) * this.#perSecond) / 1_000;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + gained);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) * 1_000) / this.#perSecond);
    this.#tokens -= 1;
    return 0;
  }

  /** The node refused one: nothing goes for as long as it said, and then one at a time. */
  pause(ms: number, nowMs: number): void {
    this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + ms);
    this.#tokens = Math.min(this.#tokens, 1);
    this.#atMs = this.#notBeforeMs;
  }
}
