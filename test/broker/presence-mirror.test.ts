import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NO_NODE, PresenceMirror } from "../../src/broker/presence-mirror.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** A mirror on the node `me`, with what its listener heard. */
function mirrorOf(...alive: string[]) {
  const living = new Set(["me", ...alive]);
  const heard: string[] = [];
  const mirror = new PresenceMirror(
    { self: "me", isAlive: (node) => living.has(node), reapAfterMs: 30_000 },
    { came: (id) => heard.push(`+${id}`), went: (id) => heard.push(`-${id}`) },
  );
  const put = (node: string, id: string, untilMs = NEVER, nowMs = 0) =>
    mirror.put(node, id, { userId: id, username: id }, untilMs, nowMs);
  const turn = (node: string, isAlive: boolean, nowMs: number) => {
    if (isAlive) living.add(node);
    else living.delete(node);
    mirror.turn(node, isAlive, nowMs);
  };
  const take = () => heard.splice(0);
  const users = () => [...mirror.users()].map(([id]) => id).toSorted();
  return { mirror, put, turn, take, users };
}

function holdings(entries: readonly (readonly [node: string, id: string])[]) {
  const held = new Map<string, Map<string, { user: { userId: string; username: string }; untilMs: number }>>();
  for (const [node, id] of entries) {
    const users = held.get(node) ?? new Map();
    held.set(node, users.set(id, { user: { userId: id, username: id }, untilMs: NEVER }));
  }
  return held;
}

describe("users of several nodes", () => {
  test("are gone when the last node has none of them", () => {
    const { mirror, put, take } = mirrorOf("a", "b");
    put("a", "ada");
    put("b", "ada");
    put("b", "ada");
    mirror.remove("a", "ada");
    mirror.remove("a", "ada");
    expect(take()).toEqual(["+ada", "+ada"]);
    mirror.remove("b", "ada");
    expect(take()).toEqual(["-ada"]);
  });

  test("do not count for the node itself", () => {
    const { put, take } = mirrorOf("a");
    put("me", "ada");
    expect(take()).toEqual([]);
  });

  test("count from the moment that their node is known to live until it is not, and again when it is back", () => {
    const { put, turn, take, users } = mirrorOf("a");
    put("late", "ada");
    expect(take()).toEqual([]);
    turn("late", true, 0);
    expect(take()).toEqual(["+ada"]);
    turn("late", false, 0);
    turn("late", false, 0);
    put("late", "bob");
    expect([take(), users()]).toEqual([["-ada"], []]);
    turn("late", true, 0);
    expect([take(), users()]).toEqual([
      ["+ada", "+bob"],
      ["ada", "bob"],
    ]);
  });
});

describe("the users of a dead node", () => {
  test("are to be taken out once it has been dead for as long as it may come back, and again if that failed", () => {
    const { mirror, put, turn } = mirrorOf("a");
    for (const id of ["ada", "bob", "carol"]) put("a", id);
    turn("a", false, 1_000);
    expect(mirror.reapable(30_999, 2)).toEqual([]);
    expect(mirror.reapable(31_000, 2)).toEqual([{ node: "a", ids: ["ada", "bob"] }]);
    for (const id of ["ada", "bob"]) mirror.remove("a", id);
    expect(mirror.reapable(31_000, 2)).toEqual([{ node: "a", ids: ["carol"] }]);
    expect(mirror.reapable(31_000, 2)).toEqual([]);
    expect(mirror.reapable(61_000, 2)).toEqual([{ node: "a", ids: ["carol"] }]);
    mirror.remove("a", "carol");
    expect(mirror.reapable(200_000, 2)).toEqual([]);
  });

  test("stay when nobody knows yet that their node lives", () => {
    const { mirror, put, turn } = mirrorOf();
    put("new", "ada", NEVER, 500);
    expect(mirror.reapable(30_499, 9)).toEqual([]);
    turn("new", true, 600);
    expect(mirror.reapable(90_000, 9)).toEqual([]);
  });
});

describe("what is read of a store", () => {
  test("takes the place of what was known, and who only moved was never gone", () => {
    const { mirror, put, take } = mirrorOf("a", "b");
    for (const id of ["ada", "bob"]) put("a", id);
    take();
    mirror.replace(holdings([["b", "ada"], ["b", "carol"], ["me", "me"]]), 0, null); // prettier-ignore
    expect(take()).toEqual(["+ada", "+carol", "-bob"]);
  });

  test("leaves those whom a store has lost until it is too late to say so again, also when it is read once more", () => {
    const { mirror, put, take, users } = mirrorOf("a", "dead");
    for (const id of ["ada", "bob"]) put("a", id);
    mirror.replace(new Map(), 1_000, 16_000);
    mirror.replace(holdings([["a", "ada"]]), 2_000, null);
    mirror.replace(new Map(), 3_000, 18_000);
    take();
    expect(mirror.sweep(15_999)).toEqual([]);
    expect(users()).toEqual(["ada", "bob"]);
    mirror.sweep(16_000);
    expect([take(), users()]).toEqual([["-bob"], ["ada"]]);
    put("a", "ada");
    mirror.sweep(1_000_000);
    expect(users()).toEqual(["ada"]);
  });
});

describe("a user who is held for no node", () => {
  test("is there until the end of the hold, which is told once", () => {
    const { mirror, put, take } = mirrorOf();
    put(NO_NODE, "ada", 30_000);
    put(NO_NODE, "bob", 20_000);
    expect(mirror.sweep(19_999)).toEqual([]);
    expect(mirror.sweep(20_000)).toEqual(["bob"]);
    expect(mirror.sweep(29_999)).toEqual([]);
    expect(mirror.sweep(30_000)).toEqual(["ada"]);
    expect(take()).toEqual(["+ada", "+bob", "-bob", "-ada"]);
  });

  test("is not there any longer for what a store has lost", () => {
    const { mirror, put, users } = mirrorOf();
    put(NO_NODE, "ada", 5_000);
    mirror.replace(new Map(), 0, 16_000);
    mirror.sweep(5_000);
    expect(users()).toEqual([]);
  });
});

test("whatever nodes say and become, the listener knows who is there", () => {
  const id = fc.constantFrom("ada", "bob", "carol");
  const node = fc.constantFrom("a", "b", "me", NO_NODE);
  const step = fc.oneof(
    fc.tuple(fc.constant("put"), node, id),
    fc.tuple(fc.constant("remove"), node, id),
    fc.tuple(fc.constantFrom("gone", "come"), fc.constantFrom("a", "b"), id),
    fc.tuple(fc.constantFrom("replace", "lose"), node, id),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { mirror, put, turn, take, users } = mirrorOf("a", "b");
      const there = new Set<string>();
      for (const [action, at, who] of steps) {
        if (action === "put") put(at, who);
        else if (action === "remove") mirror.remove(at, who);
        else if (action === "replace") mirror.replace(holdings([[at, who]]), 0, null);
        else if (action === "lose") mirror.replace(holdings([[at, who]]), 0, 1_000);
        else turn(at, action === "come", 0);
        for (const change of take()) {
          if (change.startsWith("+")) there.add(change.slice(1));
          else expect(there.delete(change.slice(1))).toBe(true);
        }
        expect([...there].toSorted()).toEqual(users());
      }
    }),
    { numRuns: 500, seed: 44 },
  );
});
