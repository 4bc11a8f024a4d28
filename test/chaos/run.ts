import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { moduleOf, PLANTS } from "./plants.ts";
import { PROFILES, type Profile } from "./profiles.ts";
import { type Outcome, runProfile } from "./run-profile.ts";
import type { Stage } from "./stage.ts";
import { detailsOf, HEAD, lineOf } from "./summary.ts";

/** `bun run chaos`: CONTRIBUTING.md, "Chaos". */

const SECONDS = 60;
const MAX_SEED = 999_999;

const USAGE = `bun run chaos [options]
  --profile NAME   one profile, \`all\` (a minute each), or \`ci\` (all, in about three minutes; the default)
  --seed N         the same seed, the same schedule of faults; printed by every run
  --seconds N      how long a profile is under load
  --out FOLDER     for histories, logs and verdicts; kept. Without it they are kept only when a profile failed
  --plant NAME     plants a bug in the node, which the run has to find
  --list           the profiles and the bugs`;

interface Chosen {
  readonly name: string;
  readonly profile: Profile;
  readonly seconds: number;
}

function list(): void {
  const widest = Math.max(...[...Object.keys(PROFILES), ...Object.keys(PLANTS)].map((name) => name.length));
  console.log("Profiles:");
  for (const [name, { summary }] of Object.entries(PROFILES)) console.log(`  ${name.padEnd(widest)}  ${summary}`);
  console.log("\nBugs to plant:");
  for (const [name, { summary }] of Object.entries(PLANTS)) console.log(`  ${name.padEnd(widest)}  ${summary}`);
}

/** Throws a `RangeError` for a profile that is none. */
function chosen(wanted: string, seconds: number | null): Chosen[] {
  const of = (name: string, profile: Profile): Chosen => ({
    ...{ name, profile },
    seconds: seconds ?? (wanted === "ci" ? profile.ciSeconds : SECONDS),
  });
  if (wanted === "ci" || wanted === "all") return Object.entries(PROFILES).map(([name, profile]) => of(name, profile));
  const profile = PROFILES[wanted];
  if (profile === undefined) throw new RangeError(`no profile ${wanted}: --list shows them`);
  return [of(wanted, profile)];
}

/** A positive whole number, or null where it was not given. */
function numberOf(text: string | undefined, name: string): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new RangeError(`--${name} must be a whole number from 1`);
  return Number(text);
}

let current: Stage | null = null;

/** Ends what runs and then the kit itself; a second signal does not wait. */
function endAllOnSignals(): void {
  for (const [signal, status] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
    process.once(signal, () => {
      console.log(`\n${signal}: ending all processes`);
      void Promise.resolve(current?.end()).finally(() => process.exit(status));
    });
  }
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      profile: { type: "string", default: "ci" },
      seed: { type: "string" },
      seconds: { type: "string" },
      out: { type: "string" },
      plant: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) console.log(USAGE);
  if (values.list) list();
  if (values.help || values.list) return 0;
  const runs = chosen(values.profile, numberOf(values.seconds, "seconds"));
  const seed = numberOf(values.seed, "seed") ?? Math.ceil(Math.random() * MAX_SEED);
  const { plant } = values;
  if (plant !== undefined && PLANTS[plant] === undefined) throw new RangeError(`no bug ${plant}: --list shows them`);
  const out = values.out ?? mkdtempSync(join(tmpdir(), "tautline-chaos-"));
  endAllOnSignals();
  console.log(`seed ${seed} · ${runs.length === 1 ? "1 profile" : `${runs.length} profiles`} · ${out}`);
  const outcomes = await runAll(runs, { seed, out, plants: plant === undefined ? [] : [moduleOf(plant)] });
  const failed = outcomes.filter(([, outcome]) => outcome?.ok !== true).map(([name]) => name);
  if (failed.length === 0 && values.out === undefined) rmSync(out, { recursive: true, force: true });
  console.log(failed.length === 0 ? `\nAll ${runs.length} held.` : `\nFailed: ${failed.join(", ")}. Look in ${out}`);
  return failed.length === 0 ? 0 : 1;
}

interface Common {
  readonly seed: number;
  readonly out: string;
  readonly plants: readonly string[];
}

/** One after the other: each has the machine for itself. A run that broke off has no outcome. */
async function runAll(runs: readonly Chosen[], { seed, out, plants }: Common): Promise<[string, Outcome | null][]> {
  const outcomes: [string, Outcome | null][] = [];
  if (runs.length > 1) console.log(HEAD);
  for (const { name, profile, seconds } of runs) {
    const directory = join(out, name);
    const startMs = performance.now();
    const onStage = (stage: Stage): void => void (current = stage);
    const outcome = await runProfile({ name, profile, seed, seconds, directory, plants, onStage }).catch(
      (error: unknown) => {
        console.log(`${name} broke off: ${error instanceof Error ? error.message : "unknown failure"}`);
        return null;
      },
    );
    outcomes.push([name, outcome]);
    if (outcome === null) continue;
    const tookS = Math.round((performance.now() - startMs) / 1_000);
    if (runs.length > 1) console.log(lineOf(outcome, tookS));
    if (runs.length === 1 || !outcome.ok) console.log(`\n${detailsOf(outcome)}`);
  }
  return outcomes;
}

process.exit(
  await main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : "unknown failure");
    return 2;
  }),
);
