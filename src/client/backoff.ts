export interface Backoff {
  /** The first delay is a random one up to this; it doubles with every attempt. */
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

export const BACKOFF: Backoff = { minDelayMs: 500, maxDelayMs: 30_000 };

/** A connection that held for this long starts again with short delays. */
export const STABLE_MS = 10_000;

/** Full jitter: a random point between nothing and a time that doubles with every `attempt`, from 0, up to the cap. */
export function backoffMs({ minDelayMs, maxDelayMs }: Backoff, attempt: number, random: number): number {
  return random * Math.min(maxDelayMs, minDelayMs * 2 ** attempt);
}
