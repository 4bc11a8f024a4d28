import { describe, expect, test } from "bun:test";
import { REDIS } from "../support/redis.ts";
import { moduleOf, PLANTS } from "./plants.ts";
import { needsRedis } from "./profiles.ts";
import { type SmallRun, startAll } from "./small-run.ts";

/** The kit against nodes that have a bug, and against the same node without one. */

const SECONDS = 3;
const RUN_MS = 180_000;

/** Over Redis, where it is installed. */
const planted = Object.entries(PLANTS).map(([name, { profile }]): [string, SmallRun] => [
  name,
  { profile, seconds: SECONDS, plants: [moduleOf(name)] },
]);
const sound = ["kill", "boundary", "bus-cuts"].map((profile): [string, SmallRun] => [
  profile,
  { profile, seconds: SECONDS },
]);
const canRun = ([, { profile }]: [string, SmallRun]): boolean => REDIS.path !== null || !needsRedis(profile);
const outcomes = startAll(Object.fromEntries([...planted, ...sound].filter(canRun)));
const skipReasonOf = (profile: string): string => (needsRedis(profile) ? REDIS.skipReason : "");

describe("the chaos kit", () => {
  for (const [name, { check, profile }] of Object.entries(PLANTS)) {
    test.skipIf(!outcomes.has(name))(
      `finds the planted bug ${name} by the check ${check}${skipReasonOf(profile)}`,
      async () => {
        const outcome = await outcomes.get(name);
        expect(outcome?.ok).toBe(false);
        expect(outcome?.verdict.findingCounts[check]).toBeGreaterThan(0);
      },
      RUN_MS,
    );
  }

  for (const [name, { profile }] of sound) {
    test.skipIf(!outcomes.has(name))(
      `finds nothing in nodes without one: ${name}${skipReasonOf(profile)}`,
      async () => {
        const outcome = await outcomes.get(name);
        expect(outcome?.unmet).toEqual([]);
        expect(outcome?.verdict.findings).toEqual([]);
        expect(outcome?.verdict.silentlyLost).toBe(0);
        expect(outcome?.ok).toBe(true);
        expect(outcome?.verdict.acked).toBeGreaterThan(0);
        // Who is cut off on the way to Redis is not cut off from its clients.
        expect((outcome?.verdict.reconnects ?? 0) > 0).toBe(!needsRedis(profile));
      },
      RUN_MS,
    );
  }
});
