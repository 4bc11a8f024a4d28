import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClientReport, sumOf } from "./client-report.ts";
import { ALWAYS, type Facts } from "./facts.ts";
import { commit } from "./faults.ts";
import type { Profile } from "./profile.ts";
import { Random } from "./random.ts";
import { HistoryFiles } from "./read-history.ts";
import { type Fault, type Span, spanOf } from "./schedule.ts";
import { everybodyBack, settled } from "./settle.ts";
import { Stage } from "./stage.ts";
import { type Verdict, verdictOf } from "./verdict.ts";
import type { World } from "./world.ts";

export interface RunOptions {
  readonly name: string;
  readonly profile: Profile;
  readonly seed: number;
  readonly seconds: number;
  /** Where the history, the logs and the verdict go. */
  readonly directory: string;
  /** Modules that plant a bug in the node, by their paths below this folder. */
  readonly plants: readonly string[];
  /** Another world than that of the profile, made of it: a smaller one. */
  readonly changed?: (world: World) => World;
  /** The stage as soon as it is there: whoever interrupts the run ends it. */
  readonly onStage?: (stage: Stage) => void;
}

export interface Outcome {
  readonly verdict: Verdict;
  readonly clients: ClientReport;
  /** What the profile, and every run, expects beyond the history, and did not find. */
  readonly unmet: readonly string[];
  readonly ok: boolean;
}

/** What a run takes at most beside its load: to come up, to come back, and to come to rest. */
const BESIDE_LOAD_MS = 150_000;
/** For a machine that is busy: a node that keeps its word is much faster. */
const EXPIRY_ALLOWANCE_MS = 3_000;

export function scheduleOf({
  name,
  profile,
  seed,
  seconds,
}: Omit<RunOptions, "directory" | "plants">): readonly Fault[] {
  const random = new Random(seed).fork(name);
  return profile.faults(spanOf(seconds), random.fork("schedule")).toSorted((a, b) => a.atMs - b.atMs);
}

/** One profile from start to verdict. Rejects when a process of the kit itself fails; nothing is left running. */
export async function runProfile(options: RunOptions): Promise<Outcome> {
  const { name, profile, seed, seconds, directory, plants } = options;
  mkdirSync(directory, { recursive: true });
  const span = spanOf(seconds);
  const planned = profile.world(span);
  const world = options.changed?.(planned) ?? planned;
  const stage = new Stage({
    ...{ world, directory, random: new Random(seed).fork(name), preloads: plants },
    endsAfterMs: span.loadMs + BESIDE_LOAD_MS,
    expiryAllowanceMs: EXPIRY_ALLOWANCE_MS,
  });
  options.onStage?.(stage);
  const problems: string[] = [];
  try {
    await stage.start();
    await everybodyBack(stage, problems);
    await underLoad(stage, span, scheduleOf(options));
    await settled(stage, world, problems);
    const seen = await farewell(stage);
    const verdict = verdictOf({ profile: name, seed }, new HistoryFiles(stage.histories));
    const unmet = [...problems, ...unmetOf(profile, { verdict, ...seen })];
    const outcome = { verdict, clients: seen.clients, unmet, ok: verdict.ok && unmet.length === 0 };
    writeFileSync(
      join(directory, "verdict.json"),
      `${JSON.stringify({ ...verdict, unmet, ok: outcome.ok }, null, 2)}\n`,
    );
    return outcome;
  } finally {
    await stage.end();
  }
}

async function underLoad(stage: Stage, { loadMs }: Span, schedule: readonly Fault[]): Promise<void> {
  const startMs = performance.now();
  const until = (atMs: number): Promise<void> => Bun.sleep(Math.max(0, startMs + atMs - performance.now()));
  for (const crew of stage.crews) await crew.order<"load">({ do: "load", isOn: true });
  const faults: Promise<void>[] = [];
  for (const fault of schedule) {
    await until(fault.atMs);
    faults.push(commit(stage, fault));
  }
  await until(loadMs);
  await Promise.all(faults);
  stage.heal();
  for (const crew of stage.crews) await crew.order<"load">({ do: "load", isOn: false });
}

/** The clients say goodbye, the nodes are asked what they have counted, and end. */
async function farewell(stage: Stage): Promise<Omit<Facts, "verdict">> {
  const reports = [];
  for (const crew of stage.crews) reports.push((await crew.order<"stop">({ do: "stop" })).report);
  const metrics = new Map<string, number>();
  for (const node of stage.nodes) {
    for (const [name, value] of await node.metrics()) metrics.set(name, (metrics.get(name) ?? 0) + value);
    node.signal("SIGTERM", true);
    await node.ended();
  }
  stage.recorder.flush();
  const { drains, crowds } = stage;
  return {
    ...{ clients: sumOf(reports), drains, crowds, metrics },
    exits: stage.nodes.flatMap(({ exits }) => exits),
    errorOutput: stage.nodes.map((node) => node.errorOutput()).join(""),
    logs: stage.nodes.map((node) => node.output()),
  };
}

function unmetOf(profile: Profile, facts: Facts): string[] {
  const checks = Object.entries({ ...ALWAYS, ...profile.expect });
  return checks.flatMap(([name, expectation]) => {
    const problem = expectation(facts);
    return problem === null ? [] : [`${name}: ${problem}`];
  });
}
