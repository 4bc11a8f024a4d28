import { expect, test } from "bun:test";
import { Random } from "./random.ts";

const drawn = (random: Random, count = 100): number[] => Array.from({ length: count }, () => random.next());
const LETTERS = "abcdefgh".split("");

test("the same seed gives the same numbers, another seed others", () => {
  expect(drawn(new Random(1))).toEqual(drawn(new Random("1")));
  expect(drawn(new Random(1))).not.toEqual(drawn(new Random(2)));
  // Written down: a seed that a failed run has printed has to mean the same tomorrow.
  const random = new Random("tautline");
  expect([random.integer(0, 999), random.integer(0, 999), random.integer(0, 999)]).toEqual([709, 67, 151]);
});

test("what a fork gives depends on the seed and its name, not on what was drawn before or by others", () => {
  const [early, late] = [new Random(7), new Random(7)];
  const first = drawn(early.fork("clients"));
  drawn(late);
  drawn(late.fork("faults"));
  expect(drawn(late.fork("clients"))).toEqual(first);
  expect(drawn(late.fork("faults"))).not.toEqual(first);
  expect(drawn(new Random(8).fork("clients"))).not.toEqual(first);
  expect(drawn(early.fork("clients").fork(1))).not.toEqual(drawn(early.fork("clients").fork(2)));
});

test("numbers fill their range evenly, both ends included", () => {
  const random = new Random("even");
  const counts = new Map<number, number>();
  for (let n = 0; n < 10_000; n += 1) {
    const value = random.integer(3, 12);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  expect(drawn(random, 1_000).every((value) => value >= 0 && value < 1)).toBe(true);
  expect(random.integer(5, 5)).toBe(5);
});

test("a chance of 0 never comes, one of 1 always, one of a quarter for a quarter", () => {
  const random = new Random("chance");
  const hits = (probability: number): number =>
    Array.from({ length: 10_000 }, () => random.chance(probability)).filter(Boolean).length;
  expect([hits(0), hits(1)]).toEqual([0, 10_000]);
  expect(Math.abs(hits(0.25) - 2_500)).toBeLessThan(250);
});

test("a shuffle has everything once in another order and leaves the list alone; everything is picked some time", () => {
  const random = new Random("letters");
  const shuffled = random.shuffle(LETTERS);
  expect(shuffled.toSorted()).toEqual(LETTERS);
  expect(shuffled).not.toEqual(LETTERS);
  expect(LETTERS.join("")).toBe("abcdefgh");
  const picked = new Set(Array.from({ length: 200 }, () => random.pick(LETTERS)));
  expect([...picked].toSorted()).toEqual(LETTERS);
});

test("what cannot be drawn is refused", () => {
  const random = new Random(1);
  expect(() => random.pick([])).toThrow(RangeError);
  expect(() => random.integer(2, 1)).toThrow(RangeError);
  expect(() => random.integer(0.5, 2)).toThrow(RangeError);
});
