import {
  backWithin,
  crowdIsRefused,
  allEndWith1012,
  drainsTakeNobody,
  joins,
  messagesWereRetried,
  noDuplicates,
  noFailedHandlers,
  noGaps,
  noReconnects,
  poisonIsAnswered,
  poisonIsCounted,
  someGaps,
  someOf,
  someReconnects,
  stopped,
} from "./facts.ts";
import { NODE_PROFILES } from "./node-profiles.ts";
import type { Profile } from "./profile.ts";
import { withSdk } from "./sdk-profiles.ts";
import { type Fault, repeated, type Span, spanOf, upTo, type Whom } from "./schedule.ts";
import { WORLD, type World } from "./world.ts";

const WHOM: readonly Whom[] = ["publishers", "subscribers"];
const CLOCK_TOLERANCE_S = 1;
const LONG_LOAD_MS = 30_000;

const usual = (): World => WORLD;
const settled = { noFailedHandlers, noDuplicates };
const lossless = { ...settled, noGaps };

function withSettings(settings: Readonly<Record<string, string>>, world: World = WORLD): World {
  return { ...world, settings };
}

/** Half of the subscribers of each room leave and come back all the time. */
function hopping(everyMs: number, awayMs: number | null, roomsEach: number): World {
  const plan = (index: number) => {
    const round = Math.floor(index / WORLD.rooms);
    return round % 2 === 0 ? { hops: { everyMs, awayMs: round % 4 === 0 ? awayMs : 0 } } : {};
  };
  return { ...WORLD, subscribers: { ...WORLD.subscribers, roomsEach, plan } };
}

/** How many seconds into the load some tokens end for good: when the node was suspended a moment ago. */
function lastTokenTtlS({ faultAtMs }: Span): number {
  return Math.ceil(faultAtMs / 1_000) + 1;
}

const KIT_PROFILES: Readonly<Record<string, Profile>> = {
  kill: {
    summary: "the node is killed, and started again with nothing of what it knew",
    ciSeconds: 4,
    world: usual,
    faults: ({ faultAtMs }, random) => [{ do: "kill", atMs: faultAtMs, node: 0, downMs: random.integer(100, 1_000) }],
    expect: { ...settled, someGaps },
  },
  drain: {
    summary: "SIGTERM under load, twice, and another node takes its place",
    ciSeconds: 5,
    world: usual,
    faults: ({ faultAtMs }, random) => [
      { do: "terminate", atMs: faultAtMs, node: 0, againAfterMs: random.integer(100, 1_000) },
    ],
    expect: { ...settled, drainsTakeNobody, allEndWith1012 },
  },
  "stop-the-world": {
    summary: "SIGSTOP for 20 s, then an event loop that stands still for 5 s",
    ciSeconds: 7,
    world: () => withSettings({ PONG_TIMEOUT_MS: "5000" }),
    faults: (span) => [
      { do: "suspend", atMs: span.faultAtMs, node: 0, forMs: upTo(20_000, span, 0.33) },
      { do: "stall-loop", atMs: Math.round(span.loadMs * 0.8), node: 0, forMs: upTo(5_000, span, 0.15) },
    ],
    expect: lossless,
  },
  "slow-readers": {
    summary: "a quarter of the subscribers does not read for a while",
    ciSeconds: 7,
    world: () => ({
      // In many rooms, so that a client falls behind by more than it may long before a room forgets what it has missed.
      ...withSettings({ HISTORY_BYTES: "2097152", MAX_UNSENT_BYTES: "2359296" }),
      rooms: 16,
      publishers: { count: 16, messagesPerSecond: 250, size: { min: 7_000, max: 9_000 } },
      subscribers: { count: 8, processes: 1, roomsEach: 16 },
    }),
    faults: (span) => [
      {
        ...{ do: "stop-reading", whom: "subscribers", every: 4 },
        ...{ atMs: span.faultAtMs, forMs: upTo(6_000, span, 0.4), atMostMs: 14_000 },
      },
    ],
    expect: { ...lossless, slowOnesAreEnded: someOf("slow_consumers_total") },
  },
  "half-open": {
    summary: "connections that are gone without a word, and a process of clients that is suspended",
    ciSeconds: 8,
    world: () => ({
      ...withSettings({ PONG_TIMEOUT_MS: "3000" }),
      subscribers: { ...WORLD.subscribers, processes: 2 },
    }),
    faults: (span) => [
      {
        ...{ do: "blackhole", whom: "subscribers", every: 2 },
        ...{ atMs: span.faultAtMs, forMs: upTo(15_000, span, 0.5) },
      },
      { do: "suspend-clients", atMs: Math.round(span.faultAtMs / 2), process: 1, forMs: upTo(20_000, span, 0.6) },
    ],
    expect: { ...lossless, deadOnesAreEnded: someOf("heartbeats_lost_total") },
  },
  "lost-acks": {
    summary: "confirmations are swallowed and their connections cut, all the time",
    ciSeconds: 4,
    world: usual,
    faults: (span, random) =>
      repeated(span, random, [400, 1_200], (atMs) => ({ do: "drop-replies", whom: "publishers", atMs, forMs: 200 })),
    expect: { ...lossless, messagesWereRetried },
  },
  storm: {
    summary: "2,000 clients are cut at once and all come back, against the limit on handshakes",
    ciSeconds: 6,
    world: ({ loadMs }) => ({
      ...withSettings({ HANDSHAKES_PER_SECOND: "200", HANDSHAKE_BURST: "400" }),
      rooms: 40,
      publishers: { ...WORLD.publishers, messagesPerSecond: 100 },
      subscribers: { count: loadMs < LONG_LOAD_MS ? 600 : 2_000, processes: 1, roomsEach: 1 },
    }),
    faults: ({ faultAtMs }) => [{ do: "cut", atMs: faultAtMs, whom: "subscribers" }],
    expect: { ...lossless, backInTime: backWithin(30_000) },
  },
  flaps: {
    summary: "every client is cut every 2 s",
    ciSeconds: 6,
    world: usual,
    faults: (span) =>
      WHOM.flatMap((whom) =>
        Array.from({ length: Math.floor(span.loadMs / 2_000) }, (_, nth): Fault => ({
          ...{ do: "cut", atMs: nth * 2_000 + 500, whom },
        })),
      ),
    expect: { ...lossless, someReconnects },
  },
  cuts: {
    summary: "connections end behind any byte, in either direction",
    ciSeconds: 5,
    world: usual,
    faults: (span, random) =>
      WHOM.flatMap((whom) =>
        repeated(span, random.fork(whom), [300, 900], (atMs) => ({
          ...{ do: "cut-after", whom, atMs, forMs: 150, bytes: random.integer(1, 3_000) },
          direction: random.pick(["toServer", "toClient"] as const),
        })),
      ),
    expect: { ...lossless, someReconnects },
  },
  boundary: {
    summary: "members leave and come back with their position all the time, while others publish",
    ciSeconds: 4,
    world: () => hopping(20, 0, 3),
    faults: (span, random) =>
      repeated(span, random, [1_500, 2_500], (atMs) => ({ do: "cut", whom: "subscribers", atMs })),
    expect: { ...lossless, manyJoins: joins(150) },
  },
  "last-leave": {
    summary: "connections leave their last room and join it again in one write, or a moment later",
    ciSeconds: 4,
    world: () => hopping(40, null, 1),
    faults: () => [],
    // What came before the node has read the leave comes again with the recovery that was asked for in the same write.
    expect: { noFailedHandlers, noGaps, noReconnects, manyJoins: joins(150) },
  },
  trimmed: {
    summary: "subscribers stay away for longer than messages are kept",
    ciSeconds: 5,
    world: () => withSettings({ HISTORY_SIZE: "40" }),
    faults: (span) => [{ do: "lock-out", whom: "subscribers", atMs: span.faultAtMs, forMs: upTo(8_000, span, 0.4) }],
    expect: { ...settled, someGaps },
  },
  poison: {
    summary: "100 messages a second make a handler of the application fail",
    ciSeconds: 4,
    world: () => ({
      ...{ ...WORLD, program: "poisoned-node.ts" as const },
      subscribers: {
        ...WORLD.subscribers,
        plan: (index) => (index < 5 ? { poisonEveryMs: 50 } : {}),
      },
    }),
    faults: () => [],
    expect: { noDuplicates, noGaps, noReconnects, poisonIsAnswered, poisonIsCounted },
  },
  expiry: {
    summary: "tokens end while the node is suspended",
    ciSeconds: 10,
    world: (span) => ({
      ...withSettings({ CLOCK_TOLERANCE_S: String(CLOCK_TOLERANCE_S) }),
      subscribers: {
        ...WORLD.subscribers,
        plan: (index) => (index % 3 === 0 ? { lastTokenTtlS: lastTokenTtlS(span) } : { tokenTtlS: 6 }),
      },
    }),
    faults: (span) => [{ do: "suspend", atMs: span.faultAtMs, node: 0, forMs: 7_000 }],
    expect: { ...lossless, thoseWithoutTokenStop: stopped(17) },
  },
  descriptors: {
    summary: "more connections than the node has file descriptors for",
    ciSeconds: 4,
    world: () => ({ ...WORLD, maxDescriptors: 256 }),
    faults: (span) => [
      { do: "crowd", node: 0, atMs: span.faultAtMs, connections: 400, forMs: upTo(10_000, span, 0.4) },
    ],
    expect: { ...lossless, noReconnects, crowdIsRefused },
  },
  "disk-full": {
    summary: "the disk of the audit log is full",
    ciSeconds: 3,
    world: () => withSettings({ AUDIT_FILE: "/dev/full" }),
    faults: () => [],
    expect: { ...lossless, noReconnects, itIsCounted: someOf("audit_errors_total") },
  },
  ...NODE_PROFILES,
};

export const PROFILES: Readonly<Record<string, Profile>> = withSdk(KIT_PROFILES);

/** Its nodes share a Redis. Throws a `RangeError` for a profile that is none. */
export function needsRedis(name: string): boolean {
  const profile = PROFILES[name];
  if (profile === undefined) throw new RangeError(`no profile ${name}`);
  return profile.world(spanOf(1)).broker !== "memory";
}
