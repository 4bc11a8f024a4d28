import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Entry } from "./history.ts";
import { ACTIONS, simulate } from "./simulation.ts";
import { TAMPERINGS } from "./tampering.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** What holds for any history. A failure prints its seed and its path. */

const SEED = 20_261_126;
const RUN = { profile: "random", seed: SEED };

const steps = fc.array(fc.record({ action: fc.constantFrom(...ACTIONS), who: fc.nat(11), amount: fc.nat(11) }), {
  minLength: 20,
  maxLength: 120,
  size: "max",
});

/** Nothing need have happened in it. */
function judged(entries: readonly Entry[]): Verdict {
  const verdict = verdictOf(RUN, entries);
  const { empty: _, ...findingCounts } = verdict.findingCounts;
  return { ...verdict, findingCounts, findings: verdict.findings.filter(({ check }) => check !== "empty") };
}

test("a history in which the node keeps its promises passes, whatever befell its members", () => {
  let recovered = 0;
  let gapSignalled = 0;
  fc.assert(
    fc.property(steps, (taken) => {
      const verdict = judged(simulate(taken));
      expect(verdict.findings).toEqual([]);
      for (const { expected, live, recovered: again, gap, lost } of verdict.clients) {
        expect(live + again + gap + lost).toBe(expected);
      }
      recovered += verdict.recovered;
      gapSignalled += verdict.gapSignalled;
    }),
    { seed: SEED, numRuns: 300 },
  );
  expect(recovered).toBeGreaterThan(100);
  expect(gapSignalled).toBeGreaterThan(100);
});

test("the verdict is the same when the files of the processes are read one after the other", () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const entries = simulate(taken);
      const files = Map.groupBy(entries, ({ client }) => client);
      const { clients, ...verdict } = judged(entries);
      const { clients: others, ...other } = judged([...files.values()].toReversed().flat());
      expect(other).toEqual(verdict);
      expect(others.length).toBe(clients.length);
      expect(others).toEqual(expect.arrayContaining([...clients]));
    }),
    { seed: SEED, numRuns: 100 },
  );
});

describe("a history of which one entry is spoiled fails:", () => {
  test.each(TAMPERINGS.map((tampering) => [tampering.name, tampering] as const))("%s", (_name, { by, spoil }) => {
    let spoiled = 0;
    fc.assert(
      fc.property(steps, fc.nat(), (taken, pick) => {
        const entries = spoil(simulate(taken), pick);
        if (entries === null) return;
        spoiled += 1;
        const { ok, findingCounts } = verdictOf(RUN, entries);
        expect(ok).toBeFalse();
        expect(by.some((check) => (findingCounts[check] ?? 0) > 0)).toBeTrue();
      }),
      { seed: SEED, numRuns: 100 },
    );
    expect(spoiled).toBeGreaterThan(20);
  });
});
