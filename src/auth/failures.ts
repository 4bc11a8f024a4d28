import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";

const WINDOW_MS = 60_000;

/**
 * Failed authentications of the last minute per address (docs/protocol.md, "Limits"). The same token counts once a minute, so a
 * client that retries a bad one does not lock out those who share its address.
 *
 * An address never holds more than its limit, since nothing is verified for it beyond. All addresses together hold at most
 * `maxFailures`: then the one that failed longest ago is forgiven.
 */
export class FailedAuthentications {
  readonly #perMinute: number;
  readonly #maxFailures: number;
  readonly #clock: Clock;
  /** Address → digest of the token → when. Both levels are in the order of time. */
  readonly #addresses = new Map<string, Map<string, number>>();
  #size = 0;

  constructor(perMinute: number, clock: Clock, maxFailures = 50_000) {
    // No address may fill the whole bound: so the one that is forgiven is never the one that fails.
    this.#perMinute = Math.min(perMinute, maxFailures);
    this.#maxFailures = maxFailures;
    this.#clock = clock;
  }

  /** Failures held for all addresses. */
  get size(): number {
    return this.#size;
  }

  /** Throws RATE_LIMITED with `retryAfterMs` while the address is over its limit. */
  check(address: string): void {
    const failures = this.#addresses.get(address);
    if (failures === undefined || failures.size < this.#perMinute) return;
    const nowMs = this.#clock.monotonic();
    this.#dropOld(address, failures, nowMs);
    if (failures.size < this.#perMinute) return;
    const [oldestMs = nowMs] = failures.values();
    throw new ProtocolError("RATE_LIMITED", { retryAfterMs: Math.max(1, Math.ceil(oldestMs + WINDOW_MS - nowMs)) });
  }

  add(address: string, digest: string): void {
    const nowMs = this.#clock.monotonic();
    const known = this.#addresses.get(address);
    if (known !== undefined) this.#dropOld(address, known, nowMs);
    const failures = known ?? new Map<string, number>();
    // Verifications that ran at the same time may all fail after the check: the bound holds for them too.
    if (failures.has(digest) || failures.size >= this.#perMinute) return;
    this.#addresses.delete(address);
    this.#addresses.set(address, failures);
    if (this.#size >= this.#maxFailures) this.#forgetOldest();
    failures.set(digest, nowMs);
    this.#size += 1;
  }

  /** Frees the addresses whose last failure is over a minute old. */
  sweep(): void {
    const nowMs = this.#clock.monotonic();
    for (const [address, failures] of this.#addresses) {
      this.#dropOld(address, failures, nowMs);
      if (failures.size > 0) return;
    }
  }

  #dropOld(address: string, failures: Map<string, number>, nowMs: number): void {
    for (const [digest, atMs] of failures) {
      if (nowMs - atMs < WINDOW_MS) return;
      failures.delete(digest);
      this.#size -= 1;
    }
    this.#addresses.delete(address);
  }

  #forgetOldest(): void {
    for (const [address, failures] of this.#addresses) {
      this.#addresses.delete(address);
      this.#size -= failures.size;
      return;
    }
  }
}
