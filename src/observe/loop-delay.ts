import { monitorEventLoopDelay } from "node:perf_hooks";

/** How late the event loop runs its timers: the sign of a node that has more to do than it can. */

const RESOLUTION_MS = 20;

export interface LoopDelay {
  /** 99th percentile of the second before the last `sample`, in milliseconds; 0 before the first. On Node it includes 20 ms. */
  p99Ms(): number;
  /** Takes the percentile of the time since the last call and starts anew. Called once a second. */
  sample(): void;
  stop(): void;
}

export function createLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let p99Ms = 0;
  histogram.enable();
  return {
    p99Ms: () => p99Ms,
    sample() {
      p99Ms = histogram.percentile(99) / 1e6;
      histogram.reset();
    },
    stop() {
      histogram.disable();
    },
  };
}
