import type { ClientPlan, MessageSize } from "./client-plan.ts";

/** What a profile runs, as data: nodes, their broker, the clients. One proxy stands between each kind of clients and each node. */
export interface World {
  readonly nodes: number;
  /** How the nodes share messages: `memory` is one node alone. */
  readonly broker: "memory" | RedisPlan;
  /** All nodes are given one NODE_ID, as by mistake. */
  readonly hasOneNodeId: boolean;
  /** Of every node, over those of the kit, by their names in the environment. */
  readonly settings: Readonly<Record<string, string>>;
  /** Which clients connect: the kit's own, which knows the protocol by itself, or the SDK. */
  readonly client: "kit" | "sdk";
  readonly program: "main.ts" | "poisoned-node.ts";
  /** Of a node; null: what the machine allows. */
  readonly maxDescriptors: number | null;
  readonly rooms: number;
  readonly publishers: Publishers;
  readonly subscribers: Subscribers;
}

/** A Redis of their own for the nodes; the way of each node to it has a proxy. */
export interface RedisPlan {
  /** As on its command line; without any, nothing is written to disk. */
  readonly options: readonly string[];
  /** A replica stands by, and the nodes ask a Sentinel who the master is. Then there are no proxies: the Sentinel names the servers themselves. */
  readonly isReplicated: boolean;
}

interface Publishers {
  readonly count: number;
  /** Of all of them together. */
  readonly messagesPerSecond: number;
  readonly size: MessageSize;
}

interface Subscribers {
  readonly count: number;
  readonly processes: number;
  readonly roomsEach: number;
  /** What is different about some of them: the row that fits `index` counts. */
  readonly plan?: (index: number) => Partial<ClientPlan>;
}

export const WORLD: World = {
  nodes: 1,
  broker: "memory",
  hasOneNodeId: false,
  settings: {},
  client: "kit",
  program: "main.ts",
  maxDescriptors: null,
  rooms: 10,
  publishers: { count: 20, messagesPerSecond: 500, size: { min: 24, max: 300 } },
  subscribers: { count: 50, processes: 1, roomsEach: 3 },
};

/** Limits above what the load needs, and times that fit into a run. */
export const NODE_SETTINGS: Readonly<Record<string, string>> = {
  MESSAGES_PER_SECOND: "2000",
  MESSAGE_BURST: "4000",
  JOINS_PER_SECOND: "2000",
  JOIN_BURST: "4000",
  HANDSHAKES_PER_SECOND: "2000",
  HANDSHAKE_BURST: "4000",
  HISTORY_SIZE: "5000",
  HISTORY_BYTES: "8388608",
  MAX_UNSENT_BYTES: "16777216",
  PING_INTERVAL_MS: "1000",
  // Longer than a busy machine keeps a process waiting: profiles that are about silence have a shorter one.
  PONG_TIMEOUT_MS: "15000",
  OVERLOAD_DELAY_MS: "5000",
  PRESENCE_GRACE_MS: "1000",
  DRAIN_MS: "2000",
  LOG_LEVEL: "warn",
};

/** So many subscribers keep the list of who is in their rooms; no divisor of the number of rooms, or it would be always the same rooms. */
const WATCHES_EVERY = 7;
const TOKEN_TTL_S = 3_600;

export function roomsOf({ rooms }: World): string[] {
  return Array.from({ length: rooms }, (_, index) => `r${index}`);
}

export function publishersOf(world: World): ClientPlan[] {
  const { count, messagesPerSecond } = world.publishers;
  return Array.from({ length: count }, (_, index) => ({
    ...plan(`p${index}`, index, [roomAt(world, index)]),
    messagesPerSecond: messagesPerSecond / count,
  }));
}

/** One list for each process. */
export function subscribersOf(world: World): ClientPlan[][] {
  const { count, processes, roomsEach, plan: special } = world.subscribers;
  const fleets = Array.from({ length: processes }, (): ClientPlan[] => []);
  for (let index = 0; index < count; index++) {
    const rooms = Array.from({ length: roomsEach }, (_, nth) => roomAt(world, index + nth * 3));
    const watches = world.client === "kit" && index % WATCHES_EVERY === 0;
    fleets[index % processes]?.push({ ...plan(`s${index}`, index, rooms), watches, ...special?.(index) });
  }
  return fleets;
}

function roomAt({ rooms }: World, index: number): string {
  return `r${index % rooms}`;
}

/** Which framing a client speaks changes with every round of the rooms, so that both meet in each of them. */
function plan(name: string, index: number, rooms: readonly string[]): ClientPlan {
  return {
    ...{ name, rooms: [...new Set(rooms)], framing: (index + Math.floor(index / 10)) % 2 === 0 ? "json" : "msgpack" },
    ...{ watches: false, tokenTtlS: TOKEN_TTL_S, messagesPerSecond: 0 },
  };
}
