import { describeLoad, loadOf } from "./bound.ts";
import type { OpenReport } from "./orders.ts";
import type { Rig, Side } from "./rig.ts";
import { withSpread, type Row } from "./row.ts";
import { median, pairedRatios } from "./statistics.ts";

/** Access lines and audit events are written behind the handshake: their cost belongs to it. */
const SETTLE_MS = 250;

const ROWS = [
  { token: "unseen", atMost: 1.5 },
  { token: "seen", atMost: 1.25 },
] as const;

interface Pass {
  readonly ours: OpenReport;
  readonly bare: OpenReport;
  readonly greeting: OpenReport;
  /** Without a token, on the same node. */
  readonly anonymous: OpenReport;
}

/**
 * Waves of upgrades, each of another user; the second pass of a round brings the tokens of the first again. Between two waves of one
 * server both others have theirs, so that each has had the same rest, and the same garbage, behind it.
 */
export async function handshake(rig: Rig): Promise<Row[]> {
  const bare = await rig.bare();
  const greeting = await rig.bare(true);
  const subject = await rig.subject();
  const anonymous = rig.anonymous(subject);
  const pass = async (jti: string): Promise<Pass> => ({
    bare: await run(rig, bare, jti),
    ours: await run(rig, subject, jti),
    greeting: await run(rig, greeting, jti),
    anonymous: await run(rig, anonymous, jti),
  });
  try {
    const passes: Record<"unseen" | "seen", Pass[]> = { unseen: [], seen: [] };
    const { handshakeWarmups, rounds } = rig.plan;
    for (let round = 0; round < handshakeWarmups + rounds; round++) {
      const jti = String(round);
      const [unseen, seen] = [await pass(jti), await pass(jti)];
      if (round < handshakeWarmups) continue;
      passes.unseen.push(unseen);
      passes.seen.push(seen);
    }
    return ROWS.flatMap(({ token, atMost }) => {
      const ours = passes[token].map((each) => each.ours);
      const theirs = (name: "bare" | "greeting" | "anonymous") => passes[token].map((each) => each[name]);
      return [
        row(token, "own upgrade, no token", ours, theirs("anonymous"), atMost),
        row(token, "bare upgrade", ours, theirs("bare"), atMost),
        row(token, "bare upgrade + greeting", ours, theirs("greeting"), null),
      ];
    });
  } finally {
    await anonymous.stop();
    await Promise.all([subject.stop(), bare.stop(), greeting.stop()]);
  }
}

async function run(rig: Rig, side: Side, jti: string): Promise<OpenReport> {
  const users = rig.plan.handshakesPerWave;
  const report = await rig.open(side, { users, usersPerRoom: 0, inFlight: 0, jti, settleMs: SETTLE_MS });
  await side.generator.order<"close">({ do: "close" });
  return report;
}

/** What else runs on the machine only ever adds to CPU time, so the least of the rounds is nearest to what a handshake costs. */
function leastAndMedian(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(1)} µs, ${median(values).toFixed(1)}`;
}

const microseconds = (report: OpenReport): number => (report.serverCpuMs * 1000) / report.opened;

function row(
  token: string,
  against: string,
  ours: readonly OpenReport[],
  theirs: readonly OpenReport[],
  atMost: number | null,
): Row {
  const [own, other] = [ours.map(microseconds), theirs.map(microseconds)];
  const ratio = Math.min(...own) / Math.min(...other);
  return {
    scenario: `handshake, ${token} HS256 / ${against}`,
    ours: leastAndMedian(own),
    bare: leastAndMedian(other),
    ratio: "",
    cpuRatio: `${ratio.toFixed(2)}, ${withSpread(pairedRatios(own, other))}`,
    counted: atMost === null ? null : ratio,
    target: atMost === null ? null : { is: "at most", value: atMost },
    targetText: atMost === null ? "" : `≤ ${atMost} × CPU`,
    boundBy: `${describeLoad(loadOf(ours))} / ${describeLoad(loadOf(theirs))}`,
    rounds: { tautline: ours, bare: theirs },
  };
}
