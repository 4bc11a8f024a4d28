import type { Clock } from "../observe/clock.ts";

/**
 * Browsers let `performance.now()` stand still while the machine sleeps, and the wall clock may be set back: this one follows whichever
 * of them has moved further, so that a sleep counts and nothing goes back.
 */
export function steadyClock(): Clock {
  let steadyMs = 0;
  let wallMs = Date.now();
  let runMs = performance.now();
  return {
    now: Date.now,
    monotonic() {
      const [wasWallMs, wasRunMs] = [wallMs, runMs];
      wallMs = Date.now();
      runMs = performance.now();
      steadyMs += Math.max(wallMs - wasWallMs, runMs - wasRunMs);
      return steadyMs;
    },
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  };
}
