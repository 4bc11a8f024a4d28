import { describe, expect, test } from "bun:test";
import { nextMode, presenceBorders, presenceTickMs, type PresenceMode } from "../../src/hub/presence-mode.ts";

describe("the mode in which a topic is told of its users", () => {
  test.each<[number, PresenceMode, number, PresenceMode]>([
    [200, "full", 1, "full"],
    [200, "full", 200, "full"],
    [200, "full", 201, "diff"],
    [200, "full", 5_000, "diff"],
    [200, "full", 5_001, "count"],
    [200, "diff", 5_000, "diff"],
    [200, "diff", 5_001, "count"],
    [200, "diff", 151, "diff"],
    [200, "diff", 150, "full"],
    [200, "count", 4_001, "count"],
    [200, "count", 4_000, "diff"],
    [200, "count", 151, "diff"],
    [200, "count", 150, "full"],
    [200, "count", 0, "full"],
    [1_000, "full", 1_000, "full"],
    [1_000, "full", 1_001, "diff"],
    [1_000, "diff", 751, "diff"],
    [1_000, "diff", 750, "full"],
    [2, "full", 3, "diff"],
    [2, "diff", 2, "diff"],
    [2, "diff", 1, "full"],
    [1, "diff", 1, "diff"],
    [1, "diff", 0, "full"],
    [10_000, "full", 10_000, "full"],
    [10_000, "full", 10_001, "count"],
    [10_000, "count", 4_001, "count"],
    [10_000, "count", 4_000, "full"],
  ])("up to %d one by one: from %s with %d users it is %s", (fullMaxUsers, mode, users, expected) => {
    expect(nextMode(presenceBorders(fullMaxUsers), mode, users)).toBe(expected);
  });

  test("stays the same when nothing changes, whatever is configured and however many there are", () => {
    for (const fullMaxUsers of [1, 2, 3, 7, 200, 4_000, 5_000, 5_001, 9_000]) {
      const borders = presenceBorders(fullMaxUsers);
      for (let users = 0; users < 12_000; users += 7) {
        for (const mode of ["full", "diff", "count"] as const) {
          const next = nextMode(borders, mode, users);
          expect(nextMode(borders, next, users)).toBe(next);
        }
      }
    }
  });
});

test.each([
  [0, 250],
  [1, 250],
  [250, 250],
  [251, 251],
  [3_000, 3_000],
  [5_000, 5_000],
  [5_001, 5_000],
  [100_000, 5_000],
])("changes among %d users are gathered for %d ms", (users, expectedMs) => {
  expect(presenceTickMs(users)).toBe(expectedMs);
});
