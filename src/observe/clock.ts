/**
 * Time, passed in wherever a decision depends on it, so that tests own it.
 * Records carry `now`, deadlines and rates use `monotonic`, which no clock change moves.
 */
export interface Clock {
  /** Wall clock: milliseconds since 1970. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls `run` once after `ms`; the returned function cancels it. Delays over 24.8 days are not supported. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
