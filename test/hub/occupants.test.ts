import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Occupant, Occupants, PRESENCE_PAGE } from "../../src/hub/occupants.ts";

function occupant(userId: string, serial: number): Occupant {
  const told = { isTyping: false, toldTypingMs: Number.NEGATIVE_INFINITY, isGone: false };
  return { userId, username: userId, serial, connections: 1, isElsewhere: false, heldUntilMs: 0, ...told };
}

/** All users, by page after page. */
function readAll(occupants: Occupants): unknown[] {
  const seen: unknown[] = [];
  let after: string | undefined;
  do {
    const page = occupants.page(after);
    expect(page.users.length).toBeLessThanOrEqual(PRESENCE_PAGE);
    seen.push(...page.users.map(({ userId }) => userId));
    after = page.next;
  } while (after !== undefined);
  return seen;
}

describe("the pages of a topic", () => {
  test("hold everyone who is there once, in the order of coming, whoever came and went before", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 3_000 }), (toggles) => {
        const occupants = new Occupants();
        const expected = new Map<string, true>();
        let serial = 0;
        for (const toggle of toggles) {
          const id = `u${toggle}`;
          if (expected.delete(id)) occupants.delete(id);
          else {
            serial += 1;
            occupants.add(id, occupant(id, serial));
            expected.set(id, true);
          }
        }
        expect(occupants.size).toBe(expected.size);
        expect(readAll(occupants)).toEqual([...expected.keys()]);
      }),
      { numRuns: 40, seed: 22 },
    );
  });

  test("go on behind a user who has left, also when many others have left with it", () => {
    const occupants = new Occupants();
    for (let serial = 1; serial <= 1_000; serial += 1) occupants.add(`u${serial}`, occupant(`u${serial}`, serial));
    const { next } = occupants.page(undefined);
    expect(next).toBe("200");
    for (let serial = 1; serial <= 900; serial += 1) occupants.delete(`u${serial}`);
    expect(occupants.page(next).users[0]).toEqual({ userId: "u901", username: "u901" });
  });

  test("end at a cursor that is past everyone, and begin at one that nobody was given", () => {
    const occupants = new Occupants();
    occupants.add("ada", occupant("ada", 7));
    expect(occupants.page("999999999999999")).toEqual({ users: [] });
    expect(occupants.page("3").users).toHaveLength(1);
    expect(occupants.page("7")).toEqual({ users: [] });
  });
});
