import { isPinned } from "../load/children.ts";
import { write } from "../load/report.ts";
import { FULL, QUICK, Rig } from "../load/rig.ts";
import { brokerAlone } from "./broker-alone.ts";
import { commands } from "./commands.ts";
import { type Finding, findingsTable, isMet } from "./finding.ts";
import { growth } from "./growth.ts";
import { latency } from "./latency.ts";
import { FULL_REDIS, QUICK_REDIS, type RedisPlan } from "./redis-plan.ts";
import { memory } from "./memory.ts";
import { throughNode } from "./through-node.ts";

const PARTS: Readonly<Record<string, (rig: Rig, plan: RedisPlan) => Promise<Finding[]>>> = {
  broker: (_rig, plan) => brokerAlone(plan),
  node: throughNode,
  latency,
  growth,
  commands,
  memory,
};

/** `bun run bench --broker redis`; `only` as for the other scenarios. */
export async function runOverRedis(isQuick: boolean, only: string | undefined): Promise<void> {
  const plan = isQuick ? QUICK_REDIS : FULL_REDIS;
  const rig = new Rig(isQuick ? QUICK : FULL, false);
  const findings: Finding[] = [];
  for (const name of only === undefined ? Object.keys(PARTS) : only.split(",")) {
    const part = PARTS[name];
    if (part === undefined) throw new Error(`no scenario ${name}: ${Object.keys(PARTS).join(", ")}`);
    process.stderr.write(`${name} …\n`);
    findings.push(...(await part(rig, plan)));
  }
  console.log(`\n${findingsTable(findings)}\n`);
  if (!isPinned) console.log("Not pinned (no taskset, or one core): all share the cores, so the figures are rough.");
  const rows = findings.map((finding) => ({ ...finding, isMet: isMet(finding) }));
  console.log(`Medians of the rounds (least–most). All rounds: bench/results/${write("redis-", { plan, rows })}`);
}
