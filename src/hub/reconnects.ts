import type { Clock } from "../observe/clock.ts";
import { ERRORS, ProtocolError } from "../protocol/codes.ts";
import { type Bucket, fullBucket, type Rate, spend } from "./limits.ts";

/**
 * When clients that have to come back do so: each at another moment, over as long as the node needs to take them all, so that they
 * come as a stream and not as a herd.
 */

/** Handshakes a second that a node takes back comfortably: what the delays are budgeted with. */
export const SUSTAINED_HANDSHAKES_PER_SECOND = 2_000;
export const MAX_RECONNECT_DELAY_MS = 30_000;
/** Whoever comes back sooner finds what it found. */
export const MIN_REFUSED_DELAY_MS = 1_000;
/** A few that were refused in the same moment are not to come back in the same one. */
const MIN_REFUSED_WINDOW_MS = 1_000;

/** How long so many clients take, in milliseconds. */
function windowOf(clients: number, perSecond: number): number {
  return (clients * 1_000) / perSecond;
}

/** A random point of the time that so many clients need to come back elsewhere. `random` is from 0 to 1. */
export function reconnectDelayMs(clients: number, random: number): number {
  const windowMs = windowOf(clients, SUSTAINED_HANDSHAKES_PER_SECOND);
  return Math.round(random * Math.min(MAX_RECONNECT_DELAY_MS, windowMs));
}

/** The same for one that was refused, where so many were lately: not before `afterMs`, and never without a spread. */
export function refusedDelayMs(
  clients: number,
  random: number,
  afterMs = MIN_REFUSED_DELAY_MS,
  perSecond = SUSTAINED_HANDSHAKES_PER_SECOND,
): number {
  const windowMs = Math.max(MIN_REFUSED_WINDOW_MS, windowOf(clients, perSecond));
  const latestMs = Math.max(MAX_RECONNECT_DELAY_MS - afterMs, MIN_REFUSED_WINDOW_MS);
  return Math.ceil(afterMs + random * Math.min(latestMs, windowMs));
}

/** As many as come back within the longest delay: more are told no more. */
export function turnedAwayRate(perSecond: number): Rate {
  return { perSecond, burst: (perSecond * MAX_RECONNECT_DELAY_MS) / 1_000 };
}

const RATE = turnedAwayRate(SUSTAINED_HANDSHAKES_PER_SECOND);

/** Clients that the node could not take, less those that it can have taken since. */
export class TurnedAway {
  readonly #clock: Clock;
  readonly #bucket: Bucket;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#bucket = fullBucket(RATE, clock.monotonic());
  }

  /**
   * What one more of them is told: the same error with a `retryAfterMs`, where a later try is worth it and nobody knows better when.
   * `others` are clients that will look for a place as well.
   */
  told(error: ProtocolError, others = 0): ProtocolError {
    const { code, details, cause } = error;
    if (ERRORS[code].retry !== "later" || details.retryAfterMs !== undefined) return error;
    const clients = spend(this.#bucket, RATE, this.#clock.monotonic()) + others;
    return new ProtocolError(code, { ...details, retryAfterMs: refusedDelayMs(clients, Math.random()) }, cause);
  }
}
