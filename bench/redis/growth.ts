import type { PaceReport } from "../load/orders.ts";
import type { Rig } from "../load/rig.ts";
import { withSpread } from "../load/row.ts";
import { median } from "../load/statistics.ts";
import { cpuOf, nodeMicros } from "./cpu.ts";
import type { Finding } from "./finding.ts";
import type { RedisPlan } from "./redis-plan.ts";
import { RedisProcess } from "./redis-process.ts";
import { SharedNodes } from "./shared-nodes.ts";

/** So few that four nodes on one core have time left. */
const PER_SECOND = 1_500;
const ROOMS = 96;
/** Of each room, as many on each node as it divides into: a multiple of every number of nodes. */
const MEMBERS = 12;
const IN_FLIGHT = 100;
const QUIET_MS = 1_300;
const FLAT = 1.1;

/** The same rooms, users and messages a second on one node and on several. */
const LAYOUTS = [
  { name: "each room on one node", isSpread: false, target: FLAT },
  { name: "each room on every node", isSpread: true, target: FLAT },
] as const;

export async function growth(rig: Rig, plan: RedisPlan): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, isSpread, target } of LAYOUTS) {
    const byNodes = await measured(rig, plan, isSpread);
    const [one] = byNodes;
    if (one === undefined) continue;
    const base = median(one.reports.map(nodeMicros));
    for (const { count, reports } of byNodes) {
      const micros = reports.map(nodeMicros);
      const ratio = median(micros) / base;
      findings.push({
        what: `${name}, ${ROOMS} rooms × ${MEMBERS}, 1,500 messages/s, ${count} node${count === 1 ? "" : "s"}: CPU of all per message`,
        overRedis: `${withSpread(micros, 1)} µs${count === 1 ? "" : `, ${ratio.toFixed(2)} of one`}`,
        inMemory: "",
        counted: count === 1 ? null : ratio,
        target: count === 1 ? null : { is: "at most", value: target },
        targetText: count === 1 ? "" : "≤ 1.10",
        cpu: cpuOf(reports),
        rounds: reports,
      });
    }
  }
  return findings;
}

interface ByNodes {
  readonly count: number;
  readonly reports: PaceReport[];
}

async function measured(rig: Rig, plan: RedisPlan, isSpread: boolean): Promise<ByNodes[]> {
  const all: ByNodes[] = [];
  const { warmupMs, measureMs } = plan;
  for (const count of plan.nodes) {
    const redis = await RedisProcess.start();
    const nodes = await SharedNodes.start(rig, redis, count);
    const reports: PaceReport[] = [];
    try {
      for (const [at, side] of nodes.sides.entries()) {
        const usersPerRoom = isSpread ? MEMBERS / count : MEMBERS;
        const share = isSpread ? { at, of: count } : null;
        await rig.open(side, { users: (ROOMS * MEMBERS) / count, usersPerRoom, inFlight: IN_FLIGHT, share });
      }
      await nodes.quiet(QUIET_MS);
      for (let round = 0; round < plan.rounds; round++) {
        reports.push(await nodes.generator.order<"pace">({ do: "pace", perSecond: PER_SECOND, warmupMs, measureMs }));
      }
      all.push({ count, reports });
    } finally {
      await nodes.stop();
      await redis.stop();
    }
  }
  return all;
}
