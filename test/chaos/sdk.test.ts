import { describe, expect, test } from "bun:test";
import { PROFILES } from "./profiles.ts";
import { type SmallRun, startAll } from "./small-run.ts";

/** The SDK under the faults of the kit, judged by the same checker as the kit's own clients. */

const SECONDS = 4;
const RUN_MS = 180_000;

const RUNS = ["sdk-flaps", "sdk-lost-acks", "sdk-kill", "sdk-drain"];
const outcomes = startAll(
  Object.fromEntries(RUNS.map((profile): [string, SmallRun] => [profile, { profile, seconds: SECONDS }])),
);

describe("the SDK", () => {
  test.each(RUNS)(
    "loses nothing and doubles nothing: %s",
    async (name) => {
      const outcome = await outcomes.get(name);
      expect(outcome?.unmet).toEqual([]);
      expect(outcome?.verdict.findings).toEqual([]);
      expect(outcome?.verdict.silentlyLost).toBe(0);
      expect(outcome?.verdict.duplicates).toBe(0);
      expect(outcome?.ok).toBe(true);
      expect(outcome?.verdict.acked).toBeGreaterThan(0);
      expect(outcome?.verdict.reconnects).toBeGreaterThan(0);
    },
    RUN_MS,
  );

  test("runs them all with itself in the place of the kit's clients", () => {
    const worlds = RUNS.map((name) => PROFILES[name]?.world({ loadMs: 1_000, faultAtMs: 500 }));
    expect(worlds.map((world) => world?.client)).toEqual(RUNS.map(() => "sdk"));
  });
});
