import { describe, expect, test } from "bun:test";
import { PROFILES } from "./profiles.ts";
import { Random } from "./random.ts";
import { scheduleOf } from "./run-profile.ts";
import { detailOf, repeated, spanOf, upTo } from "./schedule.ts";
import { publishersOf, roomsOf, subscribersOf, WORLD } from "./world.ts";

const SECONDS = [4, 60];
const profiles = Object.entries(PROFILES);
const schedule = (name: string, seed: number, seconds: number) => {
  const profile = PROFILES[name];
  if (profile === undefined) throw new RangeError(name);
  return scheduleOf({ name, profile, seed, seconds });
};

describe("the schedule of a profile", () => {
  test.each(profiles.map(([name]) => [name]))("is the same for the same seed: %s", (name) => {
    for (const seconds of SECONDS) expect(schedule(name, 1, seconds)).toEqual(schedule(name, 1, seconds));
  });

  test.each(["kill", "drain", "lost-acks", "cuts", "boundary"])("is another for another seed: %s", (name) => {
    expect(schedule(name, 1, 60)).not.toEqual(schedule(name, 2, 60));
  });

  test.each(profiles.map(([name]) => [name]))("begins within the load, in the order of time: %s", (name) => {
    for (const seconds of SECONDS) {
      const times = schedule(name, 3, seconds).map(({ atMs }) => atMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      for (const atMs of times) expect(atMs >= 0 && atMs < seconds * 1_000).toBe(true);
    }
  });
});

test("a fault that lasts is as long as it should be in a long run, and a part of a short one", () => {
  expect([upTo(20_000, spanOf(60), 0.33), upTo(20_000, spanOf(6), 0.33)]).toEqual([19_800, 1_980]);
  expect(upTo(5_000, spanOf(60), 0.33)).toBe(5_000);
});

test("repeated faults are as far apart as they may be, from the moment given on", () => {
  const faults = repeated(
    spanOf(10),
    new Random(1),
    [500, 900],
    (atMs) => ({ do: "cut", whom: "publishers", atMs }),
    4_000,
  );
  const times = [4_000, ...faults.map(({ atMs }) => atMs)];
  expect(times.length).toBeGreaterThan(5);
  for (const [index, atMs] of times.slice(1).entries()) {
    const gapMs = atMs - (times[index] ?? 0);
    expect(gapMs >= 500 && gapMs <= 900).toBe(true);
  }
});

test("a fault is told by everything but its kind and its time", () => {
  expect(detailOf({ do: "kill", atMs: 5, node: 0, downMs: 300 })).toBe("node 0, downMs 300");
});

describe("the clients of a world", () => {
  test("have different names, and rooms that are there", () => {
    const clients = [...publishersOf(WORLD), ...subscribersOf(WORLD).flat()];
    expect(new Set(clients.map(({ name }) => name)).size).toBe(70);
    expect(new Set(clients.flatMap(({ rooms }) => rooms))).toEqual(new Set(roomsOf(WORLD)));
    const rate = clients.reduce((sum, { messagesPerSecond }) => sum + messagesPerSecond, 0);
    expect(rate).toBeCloseTo(500);
  });

  test("speak both framings in every room, and somebody watches in each", () => {
    const subscribers = subscribersOf(WORLD).flat();
    for (const room of roomsOf(WORLD)) {
      const members = subscribers.filter(({ rooms }) => rooms.includes(room));
      expect(new Set(members.map(({ framing }) => framing)).size).toBe(2);
      expect(members.some(({ watches }) => watches)).toBe(true);
    }
  });

  test("are spread over as many processes as there are to be", () => {
    const world = { ...WORLD, subscribers: { ...WORLD.subscribers, processes: 2 } };
    expect(subscribersOf(world).map(({ length }) => length)).toEqual([25, 25]);
  });
});
