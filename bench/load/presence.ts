import { describeLoad, loadOf } from "./bound.ts";
import type { ArriveReport } from "./orders.ts";
import type { ProbeReport } from "./probe.ts";
import type { Rig } from "./rig.ts";
import { withSpread, type Row } from "./row.ts";
import { median } from "./statistics.ts";

const OVER_MS = 2_000;
const IDLE_MS = 1_000;
/** The news of a full room goes out in ticks of as many milliseconds as there are users, within these bounds. */
const TICK_MS = { least: 250, most: 5_000 };
const TARGET_FRAMES = 20;
const TARGET_STALL_MS = 50;

interface Storm {
  readonly arrival: ArriveReport;
  readonly probe: ProbeReport;
  /** The same client, before: what the machine alone does to it. */
  readonly idle: ProbeReport;
  /** By the node's own metric: 99th percentile of the worst second. */
  readonly loopDelayMs: number;
}

/** Users who are connected all join one room within two seconds. */
export async function presence(rig: Rig): Promise<Row[]> {
  if (rig.isSelfCheck) return [];
  const storms: Storm[] = [];
  for (let round = 0; round < rig.plan.presenceRounds; round++) storms.push(await storm(rig));
  return rows(rig.plan.presenceUsers, storms, await publishMs(rig));
}

/** CPU of the bare server for one message to as many members: no announcement to all of them can take the loop for less. */
async function publishMs(rig: Rig): Promise<number> {
  const side = await rig.bare();
  const { presenceUsers: users, warmupMs, measureMs } = rig.plan;
  try {
    await rig.open(side, { users, usersPerRoom: users, inFlight: 1 });
    const report = await side.generator.order<"broadcast">({ do: "broadcast", warmupMs, measureMs });
    return report.serverCpuMs / report.messages;
  } finally {
    await side.stop();
  }
}

async function storm(rig: Rig): Promise<Storm> {
  const side = await rig.subject();
  const { presenceUsers: users } = rig.plan;
  const quietMs = Math.min(Math.max(users, TICK_MS.least), TICK_MS.most) + TICK_MS.least;
  try {
    await rig.open(side, { users, usersPerRoom: 0, inFlight: 0 });
    const probe = await rig.probe(side);
    probe.start();
    await Bun.sleep(IDLE_MS);
    const idle = await probe.stop();
    const before = await rig.scrape(side);
    probe.start();
    const arrival = await side.generator.order<"arrive">({ do: "arrive", overMs: OVER_MS, quietMs });
    const probed = await probe.stop();
    const loopDelayMs = (await rig.scrape(side)).loopDelayMs(before);
    probe.close();
    return { arrival, probe: probed, idle, loopDelayMs };
  } finally {
    await side.stop();
  }
}

function rows(users: number, storms: readonly Storm[], bareMs: number): Row[] {
  const of = (pick: (storm: Storm) => number): number[] => storms.map(pick);
  const frames = of(({ arrival }) => arrival.presences / arrival.joined);
  const most = Math.max(...of(({ arrival }) => arrival.mostPresences));
  const stalls = of(({ probe }) => probe.worstMs);
  const idle = median(of((each) => each.idle.worstMs));
  const loop = of(({ loopDelayMs }) => loopDelayMs);
  const cpu = median(of(({ arrival }) => (arrival.serverCpuMs * 1_000) / arrival.joined));
  const common = { bare: "", rounds: storms, target: { is: "at most", value: TARGET_STALL_MS } } as const;
  const scenario = `presence storm, ${users} in ${OVER_MS / 1_000} s`;
  return [
    {
      ...common,
      scenario: `${scenario}: frames per user`,
      ours: withSpread(frames, 1),
      ratio: `at most ${most}; naive ${users / 2}`,
      cpuRatio: `${cpu.toFixed(0)} µs per user`,
      counted: median(frames),
      target: { is: "at most", value: TARGET_FRAMES },
      targetText: `≤ ${TARGET_FRAMES}`,
      boundBy: describeLoad(loadOf(storms.map(({ arrival }) => arrival))),
    },
    {
      ...common,
      scenario: `${scenario}: slowest of pings each 5 ms`,
      ours: `${withSpread(stalls, 0)} ms`,
      bare: `${bareMs.toFixed(0)} ms a publish`,
      ratio: `before ${idle.toFixed(0)} ms`,
      cpuRatio: "",
      counted: median(stalls),
      targetText: `≤ ${TARGET_STALL_MS} ms`,
      boundBy: "",
    },
    {
      ...common,
      scenario: `${scenario}: loop delay, p99 of worst second`,
      ours: `≤ ${median(loop).toFixed(0)} ms`,
      ratio: "",
      cpuRatio: "",
      counted: median(loop),
      targetText: `≤ ${TARGET_STALL_MS} ms`,
      boundBy: "",
    },
  ];
}
