import * as v from "valibot";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What the clients of one process saw besides their messages; sums, and the moments that a profile asks for. */
export const clientReport = v.object({
  /** Handshakes that succeeded: from the connect to the 101, at which port. */
  upgrades: v.array(v.object({ fromMs: v.number(), toMs: v.number(), port: count })),
  /** Status of a refused handshake → how many; 0 is no answer. */
  refusals: v.record(v.string(), count),
  /** Code of an `error` frame → how many. */
  errors: v.record(v.string(), count),
  closes: v.array(v.object({ atMs: v.number(), client: v.string(), code: count })),
  /** Clients that stopped by themselves, and the close code or status for which. */
  stopped: v.array(v.object({ client: v.string(), code: count })),
  joins: count,
  /** Joins that were told that what was missed cannot be recovered. */
  unrecovered: count,
  /** Frames that said on a live connection that messages are lost. */
  gaps: count,
  /** Messages that came between a confirmed leave and the next join. */
  receivedOutside: count,
  /** Messages that the node cannot handle, and how many of their senders were told so. */
  poisonSent: count,
  failedOwn: count,
  /** Messages that were sent again. */
  retries: count,
});
export type ClientReport = v.InferOutput<typeof clientReport>;

export function emptyReport(): ClientReport {
  return {
    ...{ upgrades: [], refusals: {}, errors: {}, closes: [], stopped: [] },
    ...{ joins: 0, unrecovered: 0, gaps: 0, receivedOutside: 0, poisonSent: 0, failedOwn: 0, retries: 0 },
  };
}

export function countOne(counts: Record<string, number>, name: string | number): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

const SUMS = ["joins", "unrecovered", "gaps", "receivedOutside", "poisonSent", "failedOwn", "retries"] as const;

export function sumOf(reports: readonly ClientReport[]): ClientReport {
  const sum = emptyReport();
  for (const report of reports) {
    sum.upgrades.push(...report.upgrades);
    sum.closes.push(...report.closes);
    sum.stopped.push(...report.stopped);
    for (const name of SUMS) sum[name] += report[name];
    for (const name of ["refusals", "errors"] as const) {
      for (const [key, value] of Object.entries(report[name])) sum[name][key] = (sum[name][key] ?? 0) + value;
    }
  }
  return sum;
}
