import { Buckets, type Rate } from "./limits.ts";
import { refusedDelayMs, turnedAwayRate } from "./reconnects.ts";

/**
 * Handshakes of one address. Behind it may be a whole office: those that were refused lately are told to come back one after the other,
 * at the rate at which they are taken, since the next token alone would call them all for the same one.
 */
export class HandshakeLimit {
  readonly #rate: Rate;
  readonly #buckets: Buckets;
  readonly #refused: Buckets;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#buckets = new Buckets(rate);
    this.#refused = new Buckets(turnedAwayRate(rate.perSecond));
  }

  /** Addresses that one of the two is kept of, counted once for each. */
  get size(): number {
    return this.#buckets.size + this.#refused.size;
  }

  /** 0 when the handshake may go on; else the milliseconds after which it is worth another try. `random` is from 0 to 1. */
  take(key: string, nowMs: number, random: number): number {
    const freeAfterMs = this.#buckets.take(key, 1, nowMs);
    if (freeAfterMs === 0) return 0;
    return refusedDelayMs(this.#refused.spend(key, nowMs), random, freeAfterMs, this.#rate.perSecond);
  }

  sweep(nowMs: number): void {
    this.#buckets.sweep(nowMs);
    this.#refused.sweep(nowMs);
  }
}
