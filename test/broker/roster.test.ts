import { describe, expect, test } from "bun:test";
import { MAX_NODES, Roster, type RosterChanges } from "../../src/broker/roster.ts";

const SELF = "me/0";
const GRACE_MS = 15_000;

/** A reading of the leases: node → end. */
function leases(...ends: readonly (readonly [string, number])[]): ReadonlyMap<string, number> {
  return new Map(ends);
}

const NOTHING: RosterChanges = { come: [], gone: [], renewed: [] };

describe("the roster of nodes", () => {
  test("tells each coming and each going once, and who has renewed its lease", () => {
    const roster = new Roster(SELF, GRACE_MS);
    expect(roster.read(leases([SELF, 1], ["a/1", 1]), 0)).toEqual({ ...NOTHING, come: ["a/1"] });
    expect(roster.read(leases([SELF, 1], ["a/1", 1]), 0)).toEqual(NOTHING);
    expect(roster.read(leases([SELF, 2], ["a/1", 2]), 0)).toEqual({ ...NOTHING, renewed: ["a/1"] });
    expect(roster.read(leases([SELF, 2]), 0)).toEqual({ ...NOTHING, gone: ["a/1"] });
    expect(roster.read(leases([SELF, 2]), 0)).toEqual(NOTHING);
    expect([...roster.alive]).toEqual([SELF]);
  });

  test("keeps those whom a Redis has forgotten, as long as a lease takes to come back", () => {
    const roster = new Roster(SELF, GRACE_MS);
    roster.read(leases(["a/1", 1], ["b/1", 1]), 0);
    roster.returned(100_000);
    expect(roster.read(leases([SELF, 1]), 100_000)).toEqual(NOTHING);
    expect(roster.read(leases(["a/1", 2]), 100_010)).toEqual({ ...NOTHING, renewed: ["a/1"] });
    expect(roster.read(leases(["a/1", 2]), 100_000 + GRACE_MS - 1)).toEqual(NOTHING);
    expect(roster.read(leases(["a/1", 2]), 100_000 + GRACE_MS)).toEqual({ ...NOTHING, gone: ["b/1"] });
  });

  test("waits for nobody who came back after an outage and left again", () => {
    const roster = new Roster(SELF, GRACE_MS);
    roster.read(leases(["a/1", 1]), 0);
    roster.returned(0);
    roster.read(leases(["a/1", 2]), 10);
    expect(roster.read(leases(), 20).gone).toEqual(["a/1"]);
  });

  test("believes a goodbye during the time after an outage, and not of who is still there", () => {
    const roster = new Roster(SELF, GRACE_MS);
    roster.read(leases(["a/1", 1], ["b/1", 1]), 0);
    roster.returned(0);
    for (const node of ["a/1", "b/1", "stranger/1"]) roster.left(node);
    expect(roster.read(leases(["b/1", 2]), 10)).toEqual({ ...NOTHING, gone: ["a/1"], renewed: ["b/1"] });
  });

  test("has a bound", () => {
    const roster = new Roster(SELF, GRACE_MS);
    const many = leases(...Array.from({ length: 3 * MAX_NODES }, (_, n) => [`n${n}/1`, 1] as const));
    expect(roster.read(many, 0).come).toHaveLength(MAX_NODES - 1);
    expect(roster.alive.size).toBe(MAX_NODES);
  });
});
