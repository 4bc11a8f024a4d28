import type { Clock } from "./clock.ts";

/** How many lines a second hostile traffic may write. What is over it is counted by kind and summed up once a second. */

export interface Suppressed {
  readonly count: number;
  readonly kinds: Readonly<Record<string, number>>;
}

const WINDOW_MS = 1000;
const MAX_KINDS = 64;
const OTHER = "other";

export class LineBudget {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #report: (suppressed: Suppressed) => void;
  readonly #kinds = new Map<string, number>();
  #count = 0;
  #cancel: (() => void) | null = null;
  #tokens: number;
  #updatedMs: number;

  /** `report` is called a second after the first suppressed line, then again for every second that had some. */
  constructor(perSecond: number, clock: Clock, report: (suppressed: Suppressed) => void) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#report = report;
    this.#tokens = perSecond;
    this.#updatedMs = clock.monotonic();
  }

  /** True when a line of this kind may be written now; false when it was counted instead. */
  take(kind: string): boolean {
    const nowMs = this.#clock.monotonic();
    const refill = ((nowMs - this.#updatedMs) * this.#perSecond) / 1000;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + refill);
    this.#updatedMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    this.#cancel ??= this.#clock.after(WINDOW_MS, this.flush);
    this.#count += 1;
    const name = this.#kinds.has(kind) || this.#kinds.size < MAX_KINDS ? kind : OTHER;
    this.#kinds.set(name, (this.#kinds.get(name) ?? 0) + 1);
    return false;
  }

  /** Reports what is counted so far, at once. */
  flush = (): void => {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#count === 0) return;
    const suppressed = { count: this.#count, kinds: Object.fromEntries(this.#kinds) };
    this.#count = 0;
    this.#kinds.clear();
    this.#report(suppressed);
  };
}
