import { expect, test } from "bun:test";
import { chartOf } from "../../bench/soak/chart.ts";
import type { Rest } from "../../bench/soak/rest.ts";
import type { Sample } from "../../bench/soak/sample.ts";
import { soak, type SoakResult } from "../../bench/soak/soak.ts";
import { findingsOf } from "../../bench/soak/verdict.ts";

const PLAN = {
  ...{ warmups: 1, warmupMs: 500, churnMs: 3_000, visitsPerSecond: 40, sampleIntervalMs: 1_000 },
  ...{ endedTopics: null, looks: 1, seed: 3, leakBytes: 0 },
};

test("after some seconds of visitors of every kind a node has not one connection, descriptor, timer or entry more", async () => {
  const result = await soak(PLAN, () => {});
  expect(Object.keys(result.visits).length).toBeGreaterThan(10);
  expect(Math.max(...result.samples.map(({ connections }) => connections))).toBeGreaterThan(0);
  // So short a time says nothing about memory, and a machine that is busy makes visitors come too late for what they wanted.
  const found = findingsOf(result).filter(({ what }) => !what.endsWith("Bytes") && what !== "unexpected answers");
  expect(found.filter(({ isMet }) => !isMet)).toEqual([]);
}, 300_000);

test("a node that keeps something of every visit has failed, by its heap", async () => {
  const planted = { ...PLAN, churnMs: 2_000, visitsPerSecond: 20, leakBytes: 500_000 };
  const result = await soak(planted, () => {});
  const heap = findingsOf(result).find(({ what }) => what === "heapBytes");
  expect(heap?.isMet).toBe(false);
  expect((heap?.end ?? 0) - (heap?.start ?? 0)).toBeGreaterThan(10_000_000);
}, 300_000);

const SAMPLE: Sample = {
  ...{ atMs: 0, residentBytes: 100, anonymousBytes: 60, heapBytes: 10, objects: 1_000, timers: 2, descriptors: 13 },
  ...{ connections: 0, users: 0, topics: 0, memberships: 0, lostLines: 0 },
  entries: { message_ids: 0, ended_topics: 95_000 },
};

function resultOf(end: Partial<Sample>, more: Partial<SoakResult> = {}): SoakResult {
  const rest = (sample: Sample): Rest => ({
    sample,
    residentBytes: [],
    anonymousBytes: [],
    heapBytes: [],
    heapWithCodeBytes: 0,
    types: {},
  });
  const last = { ...SAMPLE, ...end };
  return {
    ...{ plan: PLAN, start: rest(SAMPLE), end: rest(last), samples: [SAMPLE, { ...SAMPLE, connections: 70 }, last] },
    ...{ visits: { chats: 1 }, unexpected: {}, failures: { log_lost_total: 0 }, counters: {} },
    ...more,
  };
}

const brokenOf = (result: SoakResult): string[] =>
  findingsOf(result)
    .filter(({ isMet }) => !isMet)
    .map(({ what }) => what);

test("a soak that ends as it began, or with less, has nothing to complain of", () => {
  expect(brokenOf(resultOf({}))).toEqual([]);
  expect(brokenOf(resultOf({ residentBytes: 110, heapBytes: 5 }))).toEqual([]);
  expect(findingsOf(resultOf({})).find(({ what }) => what === "connections")?.peak).toBe(70);
});

test.each<[string, Partial<Sample>]>([
  ["residentBytes", { residentBytes: 111 }],
  ["heapBytes", { heapBytes: 12 }],
  ["connections", { connections: 1 }],
  ["descriptors", { descriptors: 14 }],
  ["timers", { timers: 3 }],
  ["memberships", { memberships: -1 }],
  ["message_ids", { entries: { message_ids: 1, ended_topics: 95_000 } }],
  ["ended_topics", { entries: { message_ids: 0, ended_topics: 100_001 } }],
])("a soak at whose end %s is not as it was has failed", (what, end) => {
  expect(brokenOf(resultOf(end))).toEqual([what]);
});

test("half an hour that leaves 50 bytes of each of 100 visits a second on a heap of 12 MiB has failed", () => {
  const heapBytes = 12 * 1_048_576;
  const start: Rest = {
    sample: { ...SAMPLE, heapBytes },
    residentBytes: [],
    anonymousBytes: [],
    heapBytes: [],
    heapWithCodeBytes: 0,
    types: {},
  };
  expect(brokenOf(resultOf({ heapBytes: heapBytes + 50 * 180_000 }, { start }))).toEqual(["heapBytes"]);
  expect(brokenOf(resultOf({ heapBytes }, { start }))).toEqual([]);
});

test("a soak with an answer that nobody expected, or with a failure, has failed", () => {
  expect(brokenOf(resultOf({}, { unexpected: { "chats: closed 1006": 2 } }))).toEqual(["unexpected answers"]);
  expect(brokenOf(resultOf({}, { failures: { log_lost_total: 1 } }))).toEqual(["log_lost_total"]);
});

test("the chart has a line through every sample for each of its strips", () => {
  const chart = chartOf([SAMPLE, { ...SAMPLE, atMs: 500 }, { ...SAMPLE, atMs: 1_000 }], "a soak");
  const lines = [...chart.matchAll(/ points="([^"]+)"/g)].map(([, points = ""]) => points.split(" ").length);
  expect(lines.length).toBeGreaterThan(5);
  expect(new Set(lines)).toEqual(new Set([3]));
});
