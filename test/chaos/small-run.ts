import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROFILES } from "./profiles.ts";
import { type Outcome, runProfile } from "./run-profile.ts";
import type { World } from "./world.ts";

/** Runs for the tests: a fifth of the load for a few seconds, several at the same time. */

const SEED = 7;
const AT_ONCE = 3;
const ROOMS = 4;

export interface SmallRun {
  readonly profile: string;
  readonly seconds: number;
  readonly plants?: readonly string[];
}

function smaller(world: World): World {
  return {
    ...world,
    rooms: ROOMS,
    publishers: { ...world.publishers, count: ROOMS, messagesPerSecond: 100 },
    subscribers: { ...world.subscribers, count: 24, roomsEach: Math.min(2, world.subscribers.roomsEach) },
  };
}

/** Each under its name; begun in this order, and not all at once. */
export function startAll(runs: Readonly<Record<string, SmallRun>>): ReadonlyMap<string, Promise<Outcome>> {
  const ends: Promise<unknown>[] = [];
  const outcomes = new Map<string, Promise<Outcome>>();
  for (const [index, [name, run]] of Object.entries(runs).entries()) {
    const before = ends[index - AT_ONCE] ?? Promise.resolve();
    const outcome = before.then(() => start(run));
    ends.push(outcome.catch(() => null));
    outcomes.set(name, outcome);
  }
  return outcomes;
}

async function start({ profile: name, seconds, plants = [] }: SmallRun): Promise<Outcome> {
  const profile = PROFILES[name];
  if (profile === undefined) throw new RangeError(`no profile ${name}`);
  const directory = mkdtempSync(join(tmpdir(), "tautline-chaos-"));
  try {
    return await runProfile({ name, profile, seed: SEED, seconds, directory, plants, changed: smaller });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
