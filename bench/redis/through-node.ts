import type { BroadcastReport } from "../load/orders.ts";
import type { Rig } from "../load/rig.ts";
import { thousands, withSpread } from "../load/row.ts";
import { median } from "../load/statistics.ts";
import { PERSISTENCE, TARGET_PER_SECOND } from "./broker-alone.ts";
import { cpuOf, nodeMicros } from "./cpu.ts";
import type { Finding } from "./finding.ts";
import type { RedisPlan } from "./redis-plan.ts";
import { RedisProcess } from "./redis-process.ts";
import { SharedNodes } from "./shared-nodes.ts";

const ROOMS = 500;
/** Of each room: one sends, all get it. */
const MEMBERS = 2;
/** Of each sender; a node takes one after the other. */
const IN_FLIGHT = 2;
const QUIET_MS = 1_300;

/** Messages from 500 connections to 500 rooms of two, from the WebSocket to the acknowledgement and both copies. */
export async function throughNode(rig: Rig, plan: RedisPlan): Promise<Finding[]> {
  const inMemory = await measured(rig, plan, null);
  const findings: Finding[] = [];
  for (const { name, options } of PERSISTENCE) {
    const redis = await RedisProcess.start(options);
    try {
      const reports = await measured(rig, plan, redis);
      const rates = reports.map(perSecond);
      findings.push({
        what: `one node, ${ROOMS} rooms × ${MEMBERS}, ${IN_FLIGHT} in flight${name}`,
        overRedis: `${thousands(median(rates))}/s (${withSpread(
          rates.map((rate) => rate / 1_000),
          1,
        )})`,
        inMemory: `${thousands(median(inMemory.map(perSecond)))}/s, node ${median(inMemory.map(nodeMicros)).toFixed(1)} µs`,
        counted: median(rates),
        target: { is: "at least", value: TARGET_PER_SECOND },
        targetText: "≥ 40 k/s",
        cpu: cpuOf(reports),
        rounds: { overRedis: reports, inMemory },
      });
    } finally {
      await redis.stop();
    }
  }
  return findings;
}

const perSecond = (report: BroadcastReport): number => (report.messages * 1_000) / report.elapsedMs;

async function measured(rig: Rig, plan: RedisPlan, redis: RedisProcess | null): Promise<BroadcastReport[]> {
  const nodes = await SharedNodes.start(rig, redis, 1);
  try {
    for (const side of nodes.sides) {
      await rig.open(side, { users: ROOMS * MEMBERS, usersPerRoom: MEMBERS, inFlight: IN_FLIGHT });
    }
    await nodes.quiet(QUIET_MS);
    const reports: BroadcastReport[] = [];
    const { warmupMs, measureMs } = plan;
    for (let round = 0; round < plan.rounds; round++) {
      reports.push(await nodes.generator.order<"broadcast">({ do: "broadcast", warmupMs, measureMs }));
    }
    return reports;
  } finally {
    await nodes.stop();
  }
}
