import type { Server } from "./children.ts";
import type { Rig, Side } from "./rig.ts";
import { withSpread, type Row } from "./row.ts";
import { median } from "./statistics.ts";
import { residentBytes } from "./usage.ts";

const TARGET_BYTES = 2_048;
/** Small enough that everyone's joining is announced quickly, large enough that the rooms themselves do not count. */
const USERS_PER_ROOM = 100;
const QUIET_MS = 600;
const SETTLE_STEP_MS = 500;
const SETTLE_DEADLINE_MS = 10_000;
const SETTLED_BYTES = 64 * 1024;

/** Slope of the resident memory after a collection between two numbers of idle connections, each of another user. */
export async function memory(rig: Rig): Promise<Row[]> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rig.plan.memoryRounds; round++) {
    ours.push(await slope(rig, await rig.subject()));
    theirs.push(await slope(rig, await rig.bare()));
  }
  const differences = ours.map((bytes, round) => bytes - (theirs[round] ?? Number.NaN));
  return [
    {
      scenario: `idle memory, ${rig.plan.memoryFrom}–${rig.plan.memoryTo} connections`,
      ours: `${Math.round(median(ours))} B each`,
      bare: `${Math.round(median(theirs))} B each`,
      ratio: `${withSpread(differences, 0)} B more`,
      cpuRatio: "",
      counted: median(differences),
      target: { is: "at most", value: TARGET_BYTES },
      targetText: "≤ bare + 2 KB",
      boundBy: "",
      rounds: { tautline: ours, bare: theirs },
    },
  ];
}

async function slope(rig: Rig, side: Side): Promise<number> {
  const { memoryFrom, memoryTo } = rig.plan;
  try {
    const before = await residentWith(rig, side, memoryFrom);
    const after = await residentWith(rig, side, memoryTo - memoryFrom);
    return (after - before) / (memoryTo - memoryFrom);
  } finally {
    await side.stop();
  }
}

async function residentWith(rig: Rig, side: Side, more: number): Promise<number> {
  await rig.open(side, { users: more, usersPerRoom: USERS_PER_ROOM, inFlight: 0 });
  await side.generator.order<"quiet">({ do: "quiet", forMs: QUIET_MS });
  return settledBytes(side.server);
}

/** Resident memory behind a collection of the garbage, when it no longer changes. */
export async function settledBytes(server: Server): Promise<number> {
  const deadlineMs = performance.now() + SETTLE_DEADLINE_MS;
  server.collect();
  let bytes = residentBytes(server.pid);
  while (performance.now() < deadlineMs) {
    await Bun.sleep(SETTLE_STEP_MS);
    const now = residentBytes(server.pid);
    if (Math.abs(now - bytes) < SETTLED_BYTES) return now;
    bytes = now;
  }
  return bytes;
}
