import { LRUCache } from "lru-cache";
import type { Clock } from "../observe/clock.ts";
import type { Principal } from "../protocol/principal.ts";

interface Entry {
  readonly principal: Principal;
  /** Wall clock. */
  readonly untilMs: number;
}

/** A sweep looks at no more than this many: going through a full cache at once would hold up every connection for 10 ms. */
const MAX_SWEPT = 500;

/**
 * Tokens that were verified before, by the digest of the token and never by the token itself, so that no memory image holds one.
 * A principal is forgotten at the `exp` of its token, when the key set changes, and when the cache is full the one longest unused.
 */
export class VerifiedTokens {
  readonly #entries: LRUCache<string, Entry>;
  readonly #clock: Clock;
  #generation = 0;

  constructor(maxTokens: number, clock: Clock) {
    this.#entries = new LRUCache({ max: maxTokens });
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Taken before a verification begins and handed to `add` when it ends. */
  get generation(): number {
    return this.#generation;
  }

  get(digest: string): Principal | null {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return null;
    if (this.#clock.now() < entry.untilMs) return entry.principal;
    this.#entries.delete(digest);
    return null;
  }

  /** Ignored when the key set has changed since the verification began: the key may be the one that was taken away. */
  add(digest: string, principal: Principal, generation: number, maxAgeMs: number): void {
    if (generation !== this.#generation) return;
    const nowMs = this.#clock.now();
    const untilMs = Math.min(principal.expiresAtMs ?? Number.POSITIVE_INFINITY, nowMs + maxAgeMs);
    if (nowMs < untilMs) this.#entries.set(digest, { principal, untilMs });
  }

  clear(): void {
    this.#generation += 1;
    this.#entries.clear();
  }

  /** Frees the expired among those that were not used for longest. */
  sweep(): void {
    const nowMs = this.#clock.now();
    const expired: string[] = [];
    let looked = 0;
    for (const digest of this.#entries.rkeys()) {
      const entry = this.#entries.peek(digest);
      if (entry !== undefined && entry.untilMs <= nowMs) expired.push(digest);
      looked += 1;
      if (looked === MAX_SWEPT) break;
    }
    for (const digest of expired) this.#entries.delete(digest);
  }
}
