import { boundBy, describeLoad, loadOf } from "./bound.ts";
import type { BroadcastReport } from "./orders.ts";
import type { Rig, Side } from "./rig.ts";
import { thousands, withSpread, type Row } from "./row.ts";
import { median, pairedRatios } from "./statistics.ts";

export interface Shape {
  readonly scenario: string;
  readonly rooms: number;
  readonly members: number;
  readonly inFlight: number;
  /** Every second member of a room speaks MessagePack; of the bare server's none does. */
  readonly isMixed: boolean;
  readonly atLeast: number;
}

/** Longer than the tick in which presence of a full room is announced. */
const QUIET_MS = 1_300;

/** Messages of the first member of each room to all of it, next to the bare server, which does the same. */
export async function fanOut(rig: Rig, shape: Shape): Promise<Row> {
  const bare = await rig.bare();
  const subject = await rig.subject();
  try {
    await Promise.all([enter(rig, subject, shape), enter(rig, bare, shape)]);
    const ours: BroadcastReport[] = [];
    const theirs: BroadcastReport[] = [];
    for (let round = 0; round < rig.plan.rounds; round++) {
      // A B, then B A: neither side is always the first after a rest.
      if (round % 2 === 0) ours.push(await run(rig, subject));
      theirs.push(await run(rig, bare));
      if (round % 2 === 1) ours.push(await run(rig, subject));
    }
    return row(shape, ours, theirs);
  } finally {
    await Promise.all([subject.stop(), bare.stop()]);
  }
}

async function enter(rig: Rig, side: Side, shape: Shape): Promise<void> {
  const { rooms, members, inFlight, isMixed } = shape;
  await rig.open(side, { users: rooms * members, usersPerRoom: members, inFlight, isMixed });
  await side.generator.order<"quiet">({ do: "quiet", forMs: QUIET_MS });
}

function run(rig: Rig, side: Side): Promise<BroadcastReport> {
  const { warmupMs, measureMs } = rig.plan;
  return side.generator.order<"broadcast">({ do: "broadcast", warmupMs, measureMs });
}

const perSecond = (report: BroadcastReport): number => (report.deliveries * 1000) / report.elapsedMs;
const perCpuSecond = (report: BroadcastReport): number => (report.deliveries * 1000) / report.serverCpuMs;

function row(shape: Shape, ours: readonly BroadcastReport[], theirs: readonly BroadcastReport[]): Row {
  const throughput = pairedRatios(ours.map(perSecond), theirs.map(perSecond));
  const perCpu = pairedRatios(ours.map(perCpuSecond), theirs.map(perCpuSecond));
  const [ourLoad, theirLoad] = [loadOf(ours), loadOf(theirs)];
  const isServerBound = boundBy(ourLoad) === "server" && boundBy(theirLoad) === "server";
  return {
    scenario: `${shape.scenario} ${shape.rooms} × ${shape.members}, ${shape.inFlight} in flight`,
    ours: `${thousands(median(ours.map(perSecond)))}/s`,
    bare: `${thousands(median(theirs.map(perSecond)))}/s`,
    ratio: withSpread(throughput),
    cpuRatio: withSpread(perCpu),
    // A rate that the generator limits says nothing about the server; what a delivery costs it does.
    counted: median(isServerBound ? throughput : perCpu),
    target: { is: "at least", value: shape.atLeast },
    targetText: `≥ ${shape.atLeast} ${isServerBound ? "ratio" : "per CPU"}`,
    boundBy: `${describeLoad(ourLoad)} / ${describeLoad(theirLoad)}`,
    rounds: { tautline: ours, bare: theirs },
  };
}
