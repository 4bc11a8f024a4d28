import type { BroadcastReport, PaceReport } from "../load/orders.ts";
import type { Rig } from "../load/rig.ts";
import { withSpread } from "../load/row.ts";
import { median } from "../load/statistics.ts";
import { cpuMs } from "../load/usage.ts";
import { cpuOf, nodeMicros } from "./cpu.ts";
import type { Finding } from "./finding.ts";
import type { RedisPlan } from "./redis-plan.ts";
import { RedisProcess } from "./redis-process.ts";
import { SharedNodes } from "./shared-nodes.ts";

/** Of each node, so few that four nodes on one core have time left. */
const PER_SECOND = 375;
/** For each node. */
const ROOMS = 24;
/** Of each room, as many on each node as it divides into: a multiple of every number of nodes. */
const MEMBERS = 12;
const IN_FLIGHT = 4;
const QUIET_MS = 1_300;
const FLAT = 1.1;

/** The same number of users and messages a second on each node, and of rooms for each. */
const LAYOUTS = [
  { name: "each room on one node", isSpread: false },
  { name: "each room on every node", isSpread: true },
] as const;

interface ByNodes {
  readonly count: number;
  /** As many messages as the nodes can take: what is compiled and cached in them is steady afterwards. */
  readonly full: readonly BroadcastReport[];
  /** Of all nodes, with nothing to do. */
  readonly idleCpuMsPerSecond: number;
  readonly paced: readonly PaceReport[];
}

/** CPU of all nodes together for one message: by full nodes, and at a constant rate without what they use when idle. */
export async function growth(rig: Rig, plan: RedisPlan): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, isSpread } of LAYOUTS) {
    const all: ByNodes[] = [];
    for (const count of plan.nodes) all.push(await measured(rig, plan, isSpread, count));
    const [one] = all;
    if (one === undefined) continue;
    const shape = `${name}, ${ROOMS} rooms × ${MEMBERS} a node`;
    for (const each of all) {
      findings.push(findingOf(`${shape}, full load`, each, fullMicros(each), median(fullMicros(one)), each.full));
      findings.push(
        findingOf(`${shape}, ${PER_SECOND}/s a node`, each, pacedMicros(each), median(pacedMicros(one)), each.paced),
      );
    }
  }
  return findings;
}

const fullMicros = ({ full }: ByNodes): number[] => full.map(nodeMicros);

function pacedMicros({ paced, idleCpuMsPerSecond }: ByNodes): number[] {
  return paced.map((report) => {
    const idleCpuMs = (idleCpuMsPerSecond * report.elapsedMs) / 1_000;
    return nodeMicros({ ...report, serverCpuMs: report.serverCpuMs - idleCpuMs });
  });
}

function findingOf(
  what: string,
  { count, idleCpuMsPerSecond }: ByNodes,
  micros: readonly number[],
  ofOne: number,
  reports: readonly (BroadcastReport | PaceReport)[],
): Finding {
  const ratio = median(micros) / ofOne;
  const isOne = count === 1;
  return {
    what: `${what}, ${count} node${isOne ? "" : "s"}: node CPU per message`,
    overRedis: `${withSpread(micros, 0)} µs${isOne ? "" : `, ${ratio.toFixed(2)} of one`}`,
    inMemory: "",
    counted: isOne ? null : ratio,
    target: isOne ? null : { is: "at most", value: FLAT },
    targetText: isOne ? "" : "≤ 1.10",
    cpu: cpuOf(reports),
    rounds: { reports, idleCpuMsPerSecond },
  };
}

async function measured(rig: Rig, plan: RedisPlan, isSpread: boolean, count: number): Promise<ByNodes> {
  const { warmupMs, measureMs } = plan;
  const redis = await RedisProcess.start();
  const nodes = await SharedNodes.start(rig, redis, count);
  try {
    for (const [at, side] of nodes.sides.entries()) {
      const usersPerRoom = isSpread ? MEMBERS / count : MEMBERS;
      const share = isSpread ? { at, of: count } : null;
      await rig.open(side, { users: ROOMS * MEMBERS, usersPerRoom, inFlight: IN_FLIGHT, share });
    }
    await nodes.quiet(QUIET_MS);
    const full: BroadcastReport[] = [];
    for (let round = 0; round < plan.rounds; round++) {
      full.push(await nodes.generator.order<"broadcast">({ do: "broadcast", warmupMs, measureMs }));
    }
    const idleCpuMsPerSecond = await idle(nodes, measureMs);
    const paced: PaceReport[] = [];
    for (let round = 0; round < plan.rounds; round++) {
      paced.push(
        await nodes.generator.order<"pace">({ do: "pace", perSecond: PER_SECOND * count, warmupMs, measureMs }),
      );
    }
    return { count, full, idleCpuMsPerSecond, paced };
  } finally {
    await nodes.stop();
    await redis.stop();
  }
}

async function idle(nodes: SharedNodes, forMs: number): Promise<number> {
  const used = (): number => nodes.sides.reduce((sum, { server }) => sum + cpuMs(server.pid), 0);
  const before = used();
  await Bun.sleep(forMs);
  return ((used() - before) * 1_000) / forMs;
}
