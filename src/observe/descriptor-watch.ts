import type { Clock } from "./clock.ts";
import { hasFreeDescriptor } from "./descriptors.ts";

/** A turn of the event loop lasts this much longer while there is no descriptor: the delay of a message, and most of the CPU saved. */
const TURN_MS = 2;
/** Descriptors that are freed are taken again by whoever waits: it is over when one was free for so long. */
const CALM_MS = 1_000;

/** Nobody wakes who waits on it. */
const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4));

/**
 * Watches for the moment in which no file descriptor is left, and keeps the event loop calm until there is one again. Connections that
 * the kernel has taken and the process cannot accept leave the listener readable, and uSockets asks it again in every turn of the
 * loop: 100 % of a core until somebody goes.
 */
export class DescriptorWatch {
  readonly #clock: Clock;
  readonly #hasFree: () => boolean;
  #busyMs = 0;
  #isStopped = false;
  isExhausted = false;

  constructor(clock: Clock, hasFree: () => boolean = hasFreeDescriptor) {
    this.#clock = clock;
    this.#hasFree = hasFree;
  }

  /** Called once a second. */
  sample(): void {
    if (this.isExhausted || this.#hasFree()) return;
    this.isExhausted = true;
    this.#turn();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #turn = (): void => {
    if (this.#isStopped) return;
    const nowMs = this.#clock.monotonic();
    if (!this.#hasFree()) this.#busyMs = nowMs;
    this.isExhausted = nowMs - this.#busyMs < CALM_MS;
    if (!this.isExhausted) return;
    Atomics.wait(NEVER_WOKEN, 0, 0, TURN_MS);
    setImmediate(this.#turn);
  };
}
