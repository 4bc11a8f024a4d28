import { join } from "node:path";
import * as v from "valibot";
import { keep, kill, pinned } from "../load/children.ts";
import { thousands, withSpread } from "../load/row.ts";
import { median } from "../load/statistics.ts";
import { cpuOf } from "./cpu.ts";
import type { Finding } from "./finding.ts";
import type { RedisPlan } from "./redis-plan.ts";
import { RedisProcess } from "./redis-process.ts";

export const TARGET_PER_SECOND = 40_000;

/** The second is what keeps what was confirmed over a crash, but for the last second. */
export const PERSISTENCE = [
  { name: "", options: [] },
  { name: ", appendfsync everysec", options: ["--appendonly", "yes", "--appendfsync", "everysec"] },
] as const;

const reportSchema = v.object({
  ...{ elapsedMs: v.number(), messages: v.number(), serverCpuMs: v.number() },
  ...{ brokerCpuMs: v.number(), generatorCpuMs: v.number() },
});
type Report = v.InferOutput<typeof reportSchema>;

/** The broker of a node in a process without WebSockets: 1,000 messages in flight over 100 topics that it follows. */
export async function brokerAlone(plan: RedisPlan): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, options } of PERSISTENCE) {
    const redis = await RedisProcess.start(options);
    try {
      const reports: Report[] = [];
      for (let round = 0; round < plan.rounds; round++) reports.push(await run(redis, plan));
      findings.push(findingOf(name, reports));
    } finally {
      await redis.stop();
    }
  }
  return findings;
}

function findingOf(name: string, reports: readonly Report[]): Finding {
  const rates = reports.map(({ messages, elapsedMs }) => (messages * 1_000) / elapsedMs);
  return {
    what: `broker alone, 1,000 in flight over 100 topics${name}`,
    overRedis: `${thousands(median(rates))}/s (${withSpread(
      rates.map((rate) => rate / 1_000),
      1,
    )})`,
    inMemory: "",
    counted: median(rates),
    target: { is: "at least", value: TARGET_PER_SECOND },
    targetText: "≥ 40 k/s",
    cpu: cpuOf(reports),
    rounds: reports,
  };
}

async function run(redis: RedisProcess, { warmupMs, measureMs }: RedisPlan): Promise<Report> {
  await redis.clear();
  const script = join(import.meta.dir, "broker-loop.ts");
  const args = [redis.url, String(warmupMs), String(measureMs), String(redis.pid)];
  const child = Bun.spawn(pinned(0, [process.execPath, script, ...args]), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  keep(child);
  const text = await new Response(child.stdout).text();
  await child.exited;
  await kill(child);
  return v.parse(reportSchema, JSON.parse(text));
}
