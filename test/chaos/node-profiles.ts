import {
  allEndWith1012,
  backWithin,
  connectsPerSecond,
  drainsTakeNobody,
  type Expectation,
  logsSay,
  messagesWereRetried,
  noDuplicates,
  noFailedHandlers,
  noGaps,
  noReconnects,
  refusedWith,
  someGaps,
  someReconnects,
  stopped,
} from "./facts.ts";
import type { Profile } from "./profile.ts";
import { type Fault, repeated, type Span, upTo } from "./schedule.ts";
import { type RedisPlan, WORLD, type World } from "./world.ts";

/** Several nodes over one Redis. A fault of 20 s has its length in a run of a minute, and less in a short one. */

/** It has on its disk what it has confirmed. */
const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];
/** For a machine that is busy. */
const BACK_MS = 30_000;
const LONG_LOAD_MS = 30_000;
const CLOCK_TOLERANCE_S = 1;
/** A last token that ends long after the run. */
const REVOKED_TTL_S = 3_600;
/** Twice as many a second as there are clients on a node, over the two seconds of its drain. */
const MAX_CONNECTS_PER_SECOND = 70;

const settled = { noFailedHandlers, noDuplicates };
const lossless = { ...settled, noGaps };
const noAnswers: Expectation = refusedWith("PUBLISH_FAILED");

function nodes(count: number, plan: Partial<RedisPlan> = {}, world: World = WORLD): World {
  return {
    ...world,
    nodes: count,
    broker: { options: [], isReplicated: false, ...plan },
    publishers: { ...world.publishers, messagesPerSecond: Math.min(300, world.publishers.messagesPerSecond) },
  };
}

function planned(world: World, plan: NonNullable<World["subscribers"]["plan"]>): World {
  return { ...world, subscribers: { ...world.subscribers, plan } };
}

/** Half of the way from the first fault to the end. */
function later({ loadMs, faultAtMs }: Span): number {
  return Math.round((faultAtMs + loadMs) / 2);
}

/** How many seconds into the load some tokens end for good: when Redis was suspended a moment ago. */
function lastTokenTtlS(span: Span): number {
  return Math.ceil(later(span) / 1_000) + 1;
}

export const NODE_PROFILES: Readonly<Record<string, Profile>> = {
  "node-killed": {
    summary: "one of three nodes is killed; half of its clients come back to the others, half never",
    ciSeconds: 9,
    world: () => planned(nodes(3), (index) => (index % 2 === 0 ? { goesWithConnection: true } : {})),
    faults: (span) => [{ do: "kill", atMs: span.faultAtMs, node: 2, downMs: upTo(20_000, span, 0.5) }],
    expect: { ...lossless, someReconnects, backInTime: backWithin(BACK_MS) },
  },
  "redis-kill": {
    summary: "Redis is killed, and is back after 5 s with all that it had confirmed",
    ciSeconds: 12,
    world: () => nodes(2, { options: DURABLE }),
    faults: (span) => [{ do: "kill-redis", atMs: span.faultAtMs, downMs: upTo(5_000, span, 0.4) }],
    expect: { ...settled, noReconnects, someGaps, noAnswers },
  },
  "bus-cuts": {
    summary: "Redis ends the connections of the bus and those for commands, in turn",
    ciSeconds: 10,
    world: () => nodes(2),
    faults: ({ loadMs }) =>
      Array.from({ length: 6 }, (_, nth): Fault => ({
        ...{ do: "kill-clients", type: nth % 2 === 0 ? "pubsub" : "normal" },
        atMs: Math.round((loadMs * (nth + 1)) / 8),
      })),
    expect: { ...lossless, noReconnects },
  },
  "redis-empty": {
    summary: "Redis is emptied, and later starts again without anything that it knew",
    ciSeconds: null,
    world: () => nodes(2),
    faults: (span) => [
      { do: "flush-redis", atMs: span.faultAtMs },
      { do: "kill-redis", atMs: later(span), downMs: upTo(1_000, span, 0.1) },
    ],
    expect: { ...settled, noReconnects, someGaps, noAnswers },
  },
  "redis-stopped": {
    summary: "Redis keeps its connections and answers nothing for 15 s",
    ciSeconds: null,
    world: () => nodes(2),
    faults: (span) => [{ do: "suspend-redis", atMs: span.faultAtMs, forMs: upTo(15_000, span, 0.45) }],
    expect: { ...lossless, noReconnects, noAnswers },
  },
  partition: {
    summary: "one of three nodes is cut off from Redis, both ways for 20 s, and then one way at a time",
    ciSeconds: null,
    world: () => nodes(3),
    faults: (span) => {
      const forMs = upTo(20_000, span, 0.25);
      const shortMs = upTo(6_000, span, 0.15);
      const atMs = Math.round(span.faultAtMs / 2);
      return [
        { do: "part", atMs, node: 2, forMs },
        { do: "part", atMs: Math.round(span.loadMs * 0.55), node: 2, forMs: shortMs, direction: "toServer" },
        { do: "part", atMs: Math.round(span.loadMs * 0.8), node: 2, forMs: shortMs, direction: "toClient" },
      ];
    },
    expect: { ...lossless, noReconnects, noAnswers },
  },
  "apart-too-long": {
    summary: "one of three nodes is cut off from Redis for longer than messages are kept",
    ciSeconds: null,
    world: () => ({ ...nodes(3), settings: { HISTORY_SIZE: "10" } }),
    faults: (span) => [{ do: "part", atMs: span.faultAtMs, node: 2, forMs: upTo(8_000, span, 0.4) }],
    expect: { ...settled, noReconnects, someGaps },
  },
  failover: {
    summary: "the master is killed, its replica promoted by a Sentinel, and the old one comes back as a replica",
    ciSeconds: null,
    world: () => nodes(2, { isReplicated: true }),
    faults: (span) => [{ do: "fail-over", atMs: span.faultAtMs, downMs: upTo(3_000, span, 0.1) }],
    expect: { ...settled, noReconnects, someGaps, noAnswers },
  },
  "redis-full": {
    summary: "Redis has no memory left for 10 s, and refuses what would take some",
    ciSeconds: null,
    world: () => nodes(2),
    faults: (span) => [{ do: "fill-redis", atMs: span.faultAtMs, share: 0.5, forMs: upTo(10_000, span, 0.4) }],
    expect: { ...lossless, noReconnects, noAnswers },
  },
  "redis-evicts": {
    summary: "Redis throws away what was not used for long, which it must not be told to do",
    ciSeconds: null,
    world: () => nodes(2, { options: ["--maxmemory-policy", "allkeys-lru"] }),
    faults: (span) => [{ do: "evict", atMs: span.faultAtMs, everyMs: 50, forMs: upTo(20_000, span, 0.4) }],
    expect: { ...settled, noReconnects, itIsWarnedOf: logsSay("maxmemory-policy", 2) },
  },
  "redis-slow": {
    summary: "each command takes 600 ms to 1 s",
    ciSeconds: null,
    world: () => nodes(2),
    faults: (span) => [
      ...[
        {
          do: "slow-redis",
          atMs: span.faultAtMs,
          forMs: upTo(20_000, span, 0.5),
          delayMs: 300,
          jitterMs: 200,
        } as const,
      ],
    ],
    expect: { ...lossless, noReconnects },
  },
  rolling: {
    summary: "two nodes are drained and started again, one after the other, three times",
    ciSeconds: 6,
    world: () => nodes(2),
    faults: ({ loadMs, faultAtMs }) => [
      { do: "roll", atMs: Math.min(5_000, faultAtMs), times: loadMs < LONG_LOAD_MS ? 1 : 3 },
    ],
    expect: { ...lossless, drainsTakeNobody, allEndWith1012, noRush: connectsPerSecond(MAX_CONNECTS_PER_SECOND) },
  },
  "lost-acks-apart": {
    summary: "confirmations are swallowed, and what is sent again goes to any of two nodes",
    ciSeconds: null,
    world: () => nodes(2),
    faults: (span, random) =>
      repeated(span, random, [400, 1_200], (atMs) => ({ do: "drop-replies", whom: "publishers", atMs, forMs: 200 })),
    expect: { ...lossless, messagesWereRetried },
  },
  "storm-apart": {
    summary: "all clients of two nodes are cut at once, and come back against the limit on handshakes",
    ciSeconds: null,
    world: ({ loadMs }) => ({
      ...nodes(2, {}, { ...WORLD, publishers: { ...WORLD.publishers, messagesPerSecond: 100 } }),
      settings: { HANDSHAKES_PER_SECOND: "100", HANDSHAKE_BURST: "200" },
      rooms: 40,
      subscribers: { count: loadMs < LONG_LOAD_MS ? 600 : 2_000, processes: 1, roomsEach: 1 },
    }),
    faults: ({ faultAtMs }) => [{ do: "cut", atMs: faultAtMs, whom: "subscribers" }],
    expect: { ...lossless, backInTime: backWithin(BACK_MS) },
  },
  "same-id": {
    summary: "two nodes have one NODE_ID, clients go from one to the other, and one of them is killed",
    ciSeconds: null,
    world: () => ({ ...nodes(2), hasOneNodeId: true }),
    faults: (span, random) => [
      ...repeated(span, random, [1_500, 2_500], (atMs): Fault => ({ do: "cut", whom: "subscribers", every: 2, atMs })),
      { do: "kill", atMs: span.faultAtMs, node: 1, downMs: upTo(2_000, span, 0.2) },
    ],
    expect: { ...lossless, someReconnects, itIsWarnedOf: logsSay("same NODE_ID", 2) },
  },
  "revoked-apart": {
    summary: "users are revoked while one of three nodes is cut off, and tokens end while Redis is suspended",
    ciSeconds: null,
    world: (span) => ({
      ...planned(nodes(3), (index) => {
        if (index % 3 === 0) return { lastTokenTtlS: REVOKED_TTL_S };
        return index % 3 === 1 ? { lastTokenTtlS: lastTokenTtlS(span) } : {};
      }),
      settings: { CLOCK_TOLERANCE_S: String(CLOCK_TOLERANCE_S) },
    }),
    faults: (span) => {
      const atMs = Math.round(span.faultAtMs / 2);
      const users = Array.from({ length: Math.ceil(WORLD.subscribers.count / 3) }, (_, index) => `s${index * 3}`);
      return [
        { do: "part", atMs, node: 2, forMs: upTo(20_000, span, 0.3) },
        { do: "revoke", atMs: atMs + upTo(5_000, span, 0.1), node: 0, users },
        { do: "suspend-redis", atMs: later(span), forMs: upTo(7_000, span, 0.2) },
      ];
    },
    expect: { ...settled, thoseWithoutTokenStop: stopped(34) },
  },
};
