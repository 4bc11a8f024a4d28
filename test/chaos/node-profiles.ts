import { backWithin, noDuplicates, noFailedHandlers, noGaps, noReconnects, someGaps, someReconnects } from "./facts.ts";
import type { Profile } from "./profile.ts";
import { type Fault, upTo } from "./schedule.ts";
import { type RedisPlan, WORLD, type World } from "./world.ts";

/** Several nodes over one Redis. A fault of 20 s has its length in a run of a minute, and less in a short one. */

/** It has on its disk what it has confirmed. */
const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];
/** More than the lease of a node, which ends 15 s after its last word, and the time to notice. */
const BACK_MS = 30_000;

const settled = { noFailedHandlers, noDuplicates };
const lossless = { ...settled, noGaps };

function nodes(count: number, plan: Partial<RedisPlan> = {}, world: World = WORLD): World {
  return {
    ...world,
    nodes: count,
    broker: { options: [], isReplicated: false, ...plan },
    publishers: { ...world.publishers, messagesPerSecond: 300 },
  };
}

export const NODE_PROFILES: Readonly<Record<string, Profile>> = {
  "node-killed": {
    summary: "one of three nodes is killed; half of its clients come back to the others, half never",
    ciSeconds: 9,
    world: () => {
      const world = nodes(3);
      const plan = (index: number) => (index % 2 === 0 ? { goesWithConnection: true } : {});
      return { ...world, subscribers: { ...world.subscribers, plan } };
    },
    faults: (span) => [{ do: "kill", atMs: span.faultAtMs, node: 2, downMs: upTo(20_000, span, 0.5) }],
    expect: { ...lossless, someReconnects, backInTime: backWithin(BACK_MS) },
  },
  "redis-kill": {
    summary: "Redis is killed, and is back after 5 s with all that it had confirmed",
    ciSeconds: 12,
    world: () => nodes(2, { options: DURABLE }),
    faults: (span) => [{ do: "kill-redis", atMs: span.faultAtMs, downMs: upTo(5_000, span, 0.4) }],
    expect: { ...settled, noReconnects, someGaps },
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
};
