/** `bun run soak --minutes n`: see bench/README.md. */
import { parseArgs } from "node:util";
import { join } from "node:path";
import { soak } from "./soak.ts";
import { findingsOf } from "./verdict.ts";
import { tableOf, writeSoak } from "./report.ts";

/** Two cycles of 30,000 visits: how much the allocator keeps follows how much was alive at once, which takes minutes to become as much as it does. */
const WARMUPS = 2;
const WARMUP_MS = 300_000;
/** Many, so that the map of them is as large as it becomes; see `restOf`. */
const ENDED_TOPICS = 90_000;

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    rate: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    leak: { type: "string" },
    out: { type: "string", default: join(import.meta.dir, "..", "results") },
  },
});

/** A positive number; a soak of `NaN` minutes would end at once and find nothing. */
function positive(name: "minutes" | "rate" | "seed" | "leak"): number {
  const value = Number(options[name]);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0`);
  return value;
}

try {
  const churnMs = positive("minutes") * 60_000;
  const result = await soak(
    {
      warmups: WARMUPS,
      warmupMs: Math.min(WARMUP_MS, churnMs),
      churnMs,
      visitsPerSecond: positive("rate"),
      sampleIntervalMs: Math.min(5_000, churnMs / 10),
      endedTopics: ENDED_TOPICS,
      looks: 20,
      seed: positive("seed"),
      leakBytes: options.leak === undefined ? 0 : positive("leak"),
    },
    (line) => process.stderr.write(`${line}\n`),
  );
  const findings = findingsOf(result);
  console.log(`\n${tableOf(findings)}\n`);
  for (const [text, count] of Object.entries(result.unexpected)) console.log(`unexpected, ${count} times: ${text}`);
  const visits = Object.values(result.visits).reduce((sum, count) => sum + count, 0);
  console.log(`${visits} visits. Chart and samples: ${writeSoak(options.out, result, findings).join(", ")}`);
  const broken = findings.filter(({ isMet }) => !isMet);
  console.log(
    broken.length === 0 ? "Everything came back." : `Not as before: ${broken.map(({ what }) => what).join(", ")}.`,
  );
  process.exitCode = broken.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`soak: ${error instanceof Error ? error.message : "failed"}`);
  process.exitCode = 1;
}
process.exit(process.exitCode ?? 0);
