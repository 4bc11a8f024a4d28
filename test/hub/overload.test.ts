import { describe, expect, test } from "bun:test";
import { BEAT_MS, isOverloaded, Overload } from "../../src/hub/overload.ts";

const THRESHOLD_MS = 200;

/** A node whose loop has come round until then. */
function beating(untilMs: number): Overload {
  const overload = new Overload(THRESHOLD_MS);
  for (let atMs = 0; atMs <= untilMs; atMs += BEAT_MS) overload.beat(atMs);
  return overload;
}

describe("overload", () => {
  test("by the measure of a second begins above the threshold and ends below half of it", () => {
    expect(isOverloaded(false, 200, THRESHOLD_MS)).toBe(false);
    expect(isOverloaded(false, 201, THRESHOLD_MS)).toBe(true);
    expect(isOverloaded(true, 101, THRESHOLD_MS)).toBe(true);
    expect(isOverloaded(true, 100, THRESHOLD_MS)).toBe(false);
  });

  test("is seen in the middle of a storm, in which no timer runs", () => {
    const overload = beating(1_000);
    const edgeMs = 1_000 + BEAT_MS + THRESHOLD_MS;
    expect([overload.isOver(edgeMs), overload.isOver(edgeMs + 1)]).toEqual([false, true]);
  });

  test("lasts behind a late beat until a second was good, and not only until the next beat", () => {
    const overload = beating(1_000);
    overload.beat(2_000);
    expect(overload.isOver(2_001)).toBe(true);
    // Not yet known to the one who measures.
    overload.sample(0);
    expect(overload.isOver(2_002)).toBe(true);
    for (let atMs = 2_050; atMs <= 3_000; atMs += BEAT_MS) overload.beat(atMs);
    overload.sample(700);
    expect(overload.isOver(3_000)).toBe(true);
    overload.sample(THRESHOLD_MS / 2);
    expect(overload.isOver(3_000)).toBe(false);
  });

  test("is none before the node was started, however long that takes", () => {
    const overload = new Overload(THRESHOLD_MS);
    expect(overload.isOver(60_000)).toBe(false);
    overload.beat(60_000);
    expect(overload.isOver(60_000)).toBe(false);
  });

  test("is none while the loop comes round in time, be it busy", () => {
    const overload = new Overload(THRESHOLD_MS);
    for (let atMs = 0; atMs < 10_000; atMs += BEAT_MS + THRESHOLD_MS) {
      overload.beat(atMs);
      expect(overload.isOver(atMs)).toBe(false);
    }
  });
});
