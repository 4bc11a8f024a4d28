import { describe, expect, test } from "bun:test";
import { moduleOf, PLANTS } from "./plants.ts";
import { type SmallRun, startAll } from "./small-run.ts";

/** The kit against nodes that have a bug, and against the same node without one. */

const SECONDS = 3;
const RUN_MS = 180_000;

const planted = Object.entries(PLANTS).map(([name, { profile }]): [string, SmallRun] => [
  name,
  { profile, seconds: SECONDS, plants: [moduleOf(name)] },
]);
const sound = ["kill", "boundary"].map((profile): [string, SmallRun] => [profile, { profile, seconds: SECONDS }]);
const outcomes = startAll(Object.fromEntries([...planted, ...sound]));

describe("the chaos kit", () => {
  test.each(Object.entries(PLANTS).map(([name, { check }]) => [name, check] as const))(
    "finds the planted bug %s by the check %s",
    async (name, check) => {
      const outcome = await outcomes.get(name);
      expect(outcome?.ok).toBe(false);
      expect(outcome?.verdict.findingCounts[check]).toBeGreaterThan(0);
    },
    RUN_MS,
  );

  test.each(sound.map(([name]) => [name]))(
    "finds nothing in a node without one: %s",
    async (name) => {
      const outcome = await outcomes.get(name);
      expect(outcome?.unmet).toEqual([]);
      expect(outcome?.verdict.findings).toEqual([]);
      expect(outcome?.verdict.silentlyLost).toBe(0);
      expect(outcome?.ok).toBe(true);
      expect(outcome?.verdict.acked).toBeGreaterThan(0);
      expect(outcome?.verdict.reconnects).toBeGreaterThan(0);
    },
    RUN_MS,
  );
});
