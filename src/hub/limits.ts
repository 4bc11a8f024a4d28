/** Token buckets. Pure: the time is an argument, in milliseconds of a monotonic clock. */

export interface Rate {
  readonly perSecond: number;
  /** Tokens a full bucket holds; at least what one second brings. */
  readonly burst: number;
}

export interface Bucket {
  tokens: number;
  updatedMs: number;
}

export function fullBucket(rate: Rate, nowMs: number): Bucket {
  return { tokens: rate.burst, updatedMs: nowMs };
}

function refill(bucket: Bucket, rate: Rate, nowMs: number): void {
  const elapsedMs = nowMs - bucket.updatedMs;
  if (elapsedMs <= 0) return;
  bucket.tokens = Math.min(rate.burst, bucket.tokens + (elapsedMs * rate.perSecond) / 1000);
  bucket.updatedMs = nowMs;
}

/** Takes `cost` tokens. 0 when they were there; else nothing is taken and the answer is the milliseconds until they are. */
export function take(bucket: Bucket, rate: Rate, cost: number, nowMs: number): number {
  refill(bucket, rate, nowMs);
  if (bucket.tokens >= cost) {
    bucket.tokens -= cost;
    return 0;
  }
  return Math.ceil(((cost - bucket.tokens) * 1000) / rate.perSecond);
}

/** Takes one token where there is one: how many are missing from a full bucket then. */
export function spend(bucket: Bucket, rate: Rate, nowMs: number): number {
  take(bucket, rate, 1, nowMs);
  return rate.burst - bucket.tokens;
}

/** A full bucket says nothing that a new one would not: its state may be freed. */
export function isFull(bucket: Bucket, rate: Rate, nowMs: number): boolean {
  refill(bucket, rate, nowMs);
  return bucket.tokens >= rate.burst;
}

/**
 * Buckets by key (an address, a name), freed when idle. `maxKeys` bounds them against a flood of keys: then the oldest are
 * forgotten, which forgives them.
 */
export class Buckets {
  readonly #rate: Rate;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, maxKeys = 100_000) {
    this.#rate = rate;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(key: string, cost: number, nowMs: number): number {
    return take(this.#of(key, nowMs), this.#rate, cost, nowMs);
  }

  spend(key: string, nowMs: number): number {
    return spend(this.#of(key, nowMs), this.#rate, nowMs);
  }

  /** Frees what is full again. */
  sweep(nowMs: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (isFull(bucket, this.#rate, nowMs)) this.#buckets.delete(key);
    }
  }

  #of(key: string, nowMs: number): Bucket {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#maxKeys) this.#forgetOldest();
      bucket = fullBucket(this.#rate, nowMs);
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
