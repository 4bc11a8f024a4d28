import { describeLoad, loadOf } from "./bound.ts";
import type { ReconnectReport } from "./orders.ts";
import type { Rig, Side } from "./rig.ts";
import { withSpread, type Row } from "./row.ts";
import { median } from "./statistics.ts";

const TARGET_S = 5;
/** As many as a topic keeps by default. */
const MESSAGES = 100;
const IN_FLIGHT = 8;
/** Clients that have connected and are not done: more would wait in the kernel's queue, and those that it has no room for for a second. */
const AT_ONCE = 256;
const QUIET_MS = 1_300;
const FORGOTTEN_DEADLINE_MS = 20_000;
const POLL_MS = 10;

interface Shape {
  readonly rooms: number;
  readonly members: number;
}

interface Storms {
  readonly missed: ReconnectReport[];
  /** Nothing was published meanwhile: what it costs to come back. */
  readonly missedNone: ReconnectReport[];
}

/** All clients but a sender in each room lose the connection at once, miss messages, come back with the same token, and recover them. */
export async function recovery(rig: Rig): Promise<Row[]> {
  if (rig.isSelfCheck) return [];
  const { recoveryRooms, recoveryClients: clients } = rig.plan;
  const rows: Row[] = [];
  for (const rooms of recoveryRooms) rows.push(...(await measure(rig, { rooms, members: clients / rooms })));
  return rows;
}

async function measure(rig: Rig, { rooms, members }: Shape): Promise<Row[]> {
  const side = await rig.subject();
  const storms: Storms = { missed: [], missedNone: [] };
  try {
    const usersPerRoom = members + 1;
    await rig.open(side, { users: rooms * usersPerRoom, usersPerRoom, inFlight: IN_FLIGHT });
    await side.generator.order<"quiet">({ do: "quiet", forMs: QUIET_MS });
    for (let round = 0; round < rig.plan.recoveryRounds; round++) {
      storms.missedNone.push(await storm(rig, side, rooms, 0));
      storms.missed.push(await storm(rig, side, rooms, MESSAGES));
    }
  } finally {
    await side.stop();
  }
  const scenario = `recovery storm ${rooms} × ${members}`;
  return [
    row(`${scenario}, ${MESSAGES} messages each`, storms.missed, TARGET_S),
    row(`${scenario}, nothing missed`, storms.missedNone, null),
  ];
}

async function storm(rig: Rig, side: Side, rooms: number, messages: number): Promise<ReconnectReport> {
  const { generator, server } = side;
  await generator.order<"cut">({ do: "cut" });
  await forgotten(rig, side, rooms);
  await generator.order<"publish">({ do: "publish", messages });
  const report = await generator.order<"reconnect">({ do: "reconnect", port: server.port, messages, atOnce: AT_ONCE });
  // Behind what was recovered everybody gets what comes live, once.
  await generator.order<"publish">({ do: "publish", messages: 1 });
  return report;
}

/** Until the node knows that only the senders are left. */
async function forgotten(rig: Rig, side: Side, connections: number): Promise<void> {
  const deadlineMs = performance.now() + FORGOTTEN_DEADLINE_MS;
  while ((await rig.scrape(side)).connections !== connections) {
    if (performance.now() > deadlineMs) throw new Error("the node did not notice that connections were cut");
    await Bun.sleep(POLL_MS);
  }
}

function row(scenario: string, reports: readonly ReconnectReport[], atMostS: number | null): Row {
  const seconds = (pick: (report: ReconnectReport) => number): number[] => reports.map((each) => pick(each) / 1_000);
  const total = seconds(({ elapsedMs }) => elapsedMs);
  const cpu = median(reports.map(({ serverCpuMs, opened }) => (serverCpuMs * 1_000) / opened));
  return {
    scenario,
    ours: `${withSpread(total)} s`,
    bare: "",
    ratio: "",
    cpuRatio: `${cpu.toFixed(0)} µs per client`,
    // Whatever else runs on the machine only ever adds to the time.
    counted: atMostS === null ? null : Math.min(...total),
    target: atMostS === null ? null : { is: "at most", value: atMostS },
    targetText: atMostS === null ? "" : `≤ ${atMostS} s`,
    boundBy: describeLoad(loadOf(reports)),
    rounds: { tautline: reports },
  };
}
