import type { Clock } from "../../src/observe/clock.ts";

/** A clock that stands still until a test moves it; timers run in the order of their times. */
export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  now = (): number => this.#wallMs;
  monotonic = (): number => this.#monotonicMs;

  after = (ms: number, run: () => void): (() => void) => {
    const timer = { atMs: this.#monotonicMs + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  get pendingTimers(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      let next: { atMs: number; run: () => void } | undefined;
      for (const timer of this.#timers) {
        if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
      }
      if (next === undefined) break;
      const due = next;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#move(Math.max(0, due.atMs - this.#monotonicMs));
      due.run();
    }
    this.#move(endMs - this.#monotonicMs);
  }

  /** A machine that stood still: timers that were due run late, and only now. */
  sleep(ms: number): void {
    this.#move(ms);
    this.advance(0);
  }

  /** Only the wall clock jumps, as when an administrator sets it. */
  jumpWallClock(ms: number): void {
    this.#wallMs += ms;
  }

  #move(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }
}
