import { type Rest, type RestPlan, restOf } from "./rest.ts";
import { type Sample, valueOf } from "./sample.ts";
import { Subject } from "./subject.ts";
import { Visitors } from "./visitors.ts";

export interface SoakPlan extends RestPlan {
  /** Churn and rest before the first look, so that what is compiled and cached is there, and the allocator has the pages that a rest leaves it. */
  readonly warmups: number;
  /** Of each. */
  readonly warmupMs: number;
  readonly churnMs: number;
  readonly visitsPerSecond: number;
  readonly sampleIntervalMs: number;
  readonly seed: number;
  /** A planted leak: the node keeps so many bytes for each visit that was due. 0: none. */
  readonly leakBytes: number;
}

export interface SoakResult {
  readonly plan: SoakPlan;
  readonly start: Rest;
  readonly end: Rest;
  readonly samples: readonly Sample[];
  /** Visits of the churn, by kind. */
  readonly visits: Readonly<Record<string, number>>;
  readonly unexpected: Readonly<Record<string, number>>;
  /** What the node has counted of failures, by the name of the counter. */
  readonly failures: Readonly<Record<string, number>>;
  /** What it has answered and how connections ended, by series; those that are 0 left out. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Counters that must not have counted anything. */
const FAILURES = [
  "handler_failures_total",
  ...["log_lost_total", "log_errors_total", "audit_lost_total", "audit_errors_total"],
];
const COUNTED = /^tautline_((?:closes|errors|handshakes|slow_consumers|heartbeats_lost)_total\S*) ([1-9]\d*)$/gm;

/** A node at rest, then under churn, then at rest again. */
export async function soak(plan: SoakPlan, say: (line: string) => void): Promise<SoakResult> {
  const subject = await Subject.start();
  try {
    say("warm-up …");
    for (let n = 1; n < plan.warmups; n += 1) await warmedUp(subject, plan, plan.seed + n);
    const start = await warmedUp(subject, plan, plan.seed + plan.warmups);

    say("churn …");
    const startedMs = performance.now();
    const atMs = (): number => Math.round(performance.now() - startedMs);
    const samples: Sample[] = [start.sample];
    const visitors = new Visitors(subject, plan.visitsPerSecond, plan.seed);
    let leakedBytes = 0;
    while (atMs() < plan.churnMs) {
      await Bun.sleep(Math.min(plan.sampleIntervalMs, plan.churnMs - atMs()));
      samples.push(await subject.sample(atMs(), false));
      if (plan.leakBytes > 0) {
        const dueBytes = Math.floor((atMs() / 1_000) * plan.visitsPerSecond) * plan.leakBytes;
        await subject.leak(dueBytes - leakedBytes);
        leakedBytes = dueBytes;
      }
    }
    const { visits, unexpected } = await visitors.end();
    say("rest …");
    samples.push(await subject.sample(atMs(), false));
    const end = await restOf(subject, plan, atMs);
    samples.push(end.sample);
    const text = await subject.metrics();
    return {
      ...{ plan, start, end, samples, visits, unexpected },
      failures: Object.fromEntries(FAILURES.map((name) => [name, valueOf(text, name)])),
      counters: Object.fromEntries(
        [...text.matchAll(COUNTED)].map(([, series = "", count]) => [series, Number(count)] as const),
      ),
    };
  } finally {
    await subject.stop();
  }
}

async function warmedUp(subject: Subject, plan: SoakPlan, seed: number): Promise<Rest> {
  const visitors = new Visitors(subject, plan.visitsPerSecond, seed);
  await Bun.sleep(plan.warmupMs);
  await visitors.end();
  return restOf(subject, plan, () => 0);
}
