import type { Clock } from "./clock.ts";

/** Merges repeated records, so that a flood cannot fill a log and yet everything is counted in it. */

const WINDOW_MS = 1000;
const MAX_KEYS = 1000;

interface Repeat<T> {
  readonly record: T;
  count: number;
  sinceMs: number;
}

export class Repeats<T> {
  readonly #clock: Clock;
  readonly #emit: (record: T, count: number, sinceMs: number) => void;
  #window = new Map<string, Repeat<T>>();
  #cancel: (() => void) | null = null;

  /** `emit` is called at the end of each window, once for every key that was merged. */
  constructor(clock: Clock, emit: (record: T, count: number, sinceMs: number) => void) {
    this.#clock = clock;
    this.#emit = emit;
  }

  /**
   * False for the first of its key within a second: that one is to be written at once. True when it was counted. With more keys than
   * the bound allows (a flood from ever new addresses) the rest is merged under `overflowKey`, as `overflow`.
   */
  merge(key: string, record: T, overflowKey: string, overflow: T): boolean {
    const known = this.#window.get(key);
    if (known !== undefined) {
      this.#count(known);
      return true;
    }
    this.#cancel ??= this.#clock.after(WINDOW_MS, this.flush);
    if (this.#window.size < MAX_KEYS) {
      this.#window.set(key, { record, count: 0, sinceMs: 0 });
      return false;
    }
    const rest = this.#window.get(overflowKey) ?? { record: overflow, count: 0, sinceMs: 0 };
    this.#window.set(overflowKey, rest);
    this.#count(rest);
    return true;
  }

  /** Emits what is merged so far, at once. */
  flush = (): void => {
    this.#cancel?.();
    this.#cancel = null;
    const window = this.#window;
    this.#window = new Map();
    for (const repeat of window.values()) {
      if (repeat.count > 0) this.#emit(repeat.record, repeat.count, repeat.sinceMs);
    }
  };

  #count(repeat: Repeat<T>): void {
    if (repeat.count === 0) repeat.sinceMs = this.#clock.now();
    repeat.count += 1;
  }
}
