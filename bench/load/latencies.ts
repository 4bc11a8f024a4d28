import type { Link } from "./link.ts";

/** When each message of one room was due, in the order in which they are sent and must arrive. */
export class Schedule {
  readonly dueMs: number[] = [];
  readonly #latenciesMs: number[];

  constructor(latenciesMs: number[]) {
    this.#latenciesMs = latenciesMs;
  }

  /** From now on the link's messages are those of this schedule. */
  watch(link: Link): void {
    const before = link.stream.broadcasts;
    let arrived = 0;
    link.onArrival = () => {
      const nowMs = performance.now();
      for (; arrived < link.stream.broadcasts - before; arrived++) {
        this.#latenciesMs.push(nowMs - (this.dueMs[arrived] ?? Number.NaN));
      }
    };
  }
}

/** The value under which that share of all lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
