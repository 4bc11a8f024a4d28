import type { PaceReport } from "../load/orders.ts";
import type { Rig } from "../load/rig.ts";
import { withSpread } from "../load/row.ts";
import { median } from "../load/statistics.ts";
import { cpuOf } from "./cpu.ts";
import type { Finding } from "./finding.ts";
import type { RedisPlan } from "./redis-plan.ts";
import { RedisProcess } from "./redis-process.ts";
import { SharedNodes } from "./shared-nodes.ts";

const PER_SECOND = 1_000;
const ROOMS = 100;
const MEMBERS = 2;
/** More than are ever on their way: the schedule alone says when a message is sent. */
const IN_FLIGHT = 4;
const QUIET_MS = 1_300;
const TARGET_ADDED_MS = 2;

/** From the instant at which a message is due until the other member of its room has it, at 1,000 messages a second. */
export async function latency(rig: Rig, plan: RedisPlan): Promise<Finding[]> {
  const redis = await RedisProcess.start();
  try {
    const memory: PaceReport[] = [];
    const same: PaceReport[] = [];
    const other: PaceReport[] = [];
    // Side by side, round by round: what slows the machine for a while slows all three.
    const sets = [
      { nodes: await SharedNodes.start(rig, null, 1), reports: memory },
      { nodes: await SharedNodes.start(rig, redis, 1), reports: same },
      { nodes: await SharedNodes.start(rig, redis, 2), reports: other },
    ];
    try {
      for (const { nodes } of sets) await enter(rig, nodes);
      for (let round = 0; round < plan.rounds; round++) {
        for (const { nodes, reports } of sets) reports.push(await run(nodes, plan));
      }
    } finally {
      for (const { nodes } of sets) await nodes.stop();
    }
    return [
      findingOf("to a member on the same node", memory, same),
      findingOf("to a member on another node", memory, other),
    ];
  } finally {
    await redis.stop();
  }
}

/** One member of each room on each of two nodes, or both on one. */
async function enter(rig: Rig, nodes: SharedNodes): Promise<void> {
  const of = nodes.sides.length;
  for (const [at, side] of nodes.sides.entries()) {
    const usersPerRoom = MEMBERS / of;
    await rig.open(side, { users: ROOMS * usersPerRoom, usersPerRoom, inFlight: IN_FLIGHT, share: { at, of } });
  }
  await nodes.quiet(QUIET_MS);
}

function run(nodes: SharedNodes, { warmupMs, measureMs }: RedisPlan): Promise<PaceReport> {
  return nodes.generator.order<"pace">({ do: "pace", perSecond: PER_SECOND, warmupMs, measureMs });
}

function findingOf(where: string, memory: readonly PaceReport[], redis: readonly PaceReport[]): Finding {
  const added = redis.map(({ p50Ms }, round) => p50Ms - (memory[round]?.p50Ms ?? Number.NaN));
  const tails = (reports: readonly PaceReport[]): string =>
    `p50 ${median(reports.map(({ p50Ms }) => p50Ms)).toFixed(2)} ms, p99 ${median(reports.map(({ p99Ms }) => p99Ms)).toFixed(2)} ms`;
  return {
    what: `latency at 1,000 messages/s, ${where}: p50 added`,
    overRedis: `${withSpread(added)} ms; ${tails(redis)}`,
    inMemory: tails(memory),
    counted: median(added),
    target: { is: "at most", value: TARGET_ADDED_MS },
    targetText: "≤ 2 ms",
    cpu: cpuOf(redis),
    rounds: { memory, redis },
  };
}
