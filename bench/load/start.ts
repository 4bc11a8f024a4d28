import type { Server } from "./children.ts";
import type { Rig } from "./rig.ts";
import { withSpread, type Row } from "./row.ts";
import { median, pairedRatios } from "./statistics.ts";

const TARGET_MS = 300;

/** From the start of the process to the line that names the address; then an HTTP answer must come from there. */
export async function start(rig: Rig): Promise<Row[]> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rig.plan.starts; round++) {
    ours.push(await readyMs(await rig.startSubject()));
    theirs.push(await readyMs(await rig.startBare()));
  }
  return [
    {
      scenario: "start, process to ready",
      ours: `${median(ours).toFixed(0)} ms`,
      bare: `${median(theirs).toFixed(0)} ms`,
      ratio: withSpread(pairedRatios(ours, theirs)),
      cpuRatio: "",
      counted: median(ours),
      target: { is: "at most", value: TARGET_MS },
      targetText: `≤ ${TARGET_MS} ms`,
      boundBy: "",
      rounds: { tautline: ours, bare: theirs },
    },
  ];
}

async function readyMs(server: Server): Promise<number> {
  try {
    // A plain request of the endpoint is 426 on both: the answer proves that the line told the truth.
    const { status } = await fetch(`http://127.0.0.1:${server.port}/ws`);
    if (status !== 426) throw new Error(`a plain request of /ws was answered ${status}`);
    return server.readyMs;
  } finally {
    await server.stop();
  }
}
