import type {
  Broker,
  ChangedElsewhere,
  Deliver,
  Lose,
  Nodes,
  PermissionStore,
  PresenceListener,
  PresenceStore,
  RevocationStore,
  RevokedElsewhere,
  TicketStore,
} from "./broker/broker.ts";
import { MemoryBroker } from "./broker/memory.ts";
import { MemoryNodes } from "./broker/memory-nodes.ts";
import { MemoryPermissions } from "./broker/memory-permissions.ts";
import { MemoryPresence } from "./broker/memory-presence.ts";
import { MemoryRevocations } from "./broker/memory-revocations.ts";
import { MemoryTickets } from "./broker/memory-tickets.ts";
import type { NodeTimes } from "./broker/redis-nodes.ts";
import type { Config } from "./config.ts";
import type { Clock } from "./observe/clock.ts";
import type { Log } from "./observe/log.ts";

/** What a node shares with others, or has for itself alone: chosen by `BROKER_URL`. */
export interface Sharing {
  readonly broker: Broker;
  readonly tickets: TicketStore;
  readonly revocations: RevocationStore;
  readonly permissions: PermissionStore;
  readonly nodes: Nodes;
  readonly presence: PresenceStore;
  /** What the way to the others is like now; read when somebody asks for metrics. */
  readonly bus: () => BusState;
  /** Connects, and reads what was ordered before; returns when the first attempts have ended, well or not. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The worst of several connections, or their sum. */
export interface BusState {
  readonly roundTripMs: number;
  readonly commandsInFlight: number;
  readonly reconnects: number;
  /** Messages and entries of others that were none. */
  readonly rejected: Rejected;
}

/** What was skipped, by where it stood; nothing of it where nodes do not share. */
export type Rejected = Readonly<
  Partial<Record<"message" | "stream" | "presence" | "node" | "register" | "oversized", number>>
>;

export interface SharingPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly deliver: Deliver;
  readonly lose: Lose;
  /** To be called before what comes from other nodes is handled: an event like any other. */
  readonly wake: () => void;
  /** Asked for when there is something to tell. */
  readonly presence: () => PresenceListener;
  readonly report: (error: unknown, correlationId: string) => void;
  /** For tests: other times than those of a node. */
  readonly nodeTimes: Partial<NodeTimes>;
  readonly onRevoked: (revoked: readonly RevokedElsewhere[]) => void;
  readonly onPermissionsChanged: (changed: readonly ChangedElsewhere[]) => void;
}

const NO_BUS: BusState = { roundTripMs: 0, commandsInFlight: 0, reconnects: 0, rejected: {} };

/** Rejects `ConfigError`. */
export async function sharingOf(config: Config, ports: SharingPorts): Promise<Sharing> {
  if (config.brokerUrl === "memory://") return alone(config, ports);
  // The library of Redis takes as long to load as all else together: a node that is alone starts without it.
  const { overRedis } = await import("./node-redis.ts");
  return overRedis(config, ports);
}

function alone(config: Config, { clock, deliver }: SharingPorts): Sharing {
  const broker = new MemoryBroker(config, clock, deliver);
  return {
    broker,
    tickets: new MemoryTickets(clock),
    revocations: new MemoryRevocations(clock),
    nodes: new MemoryNodes(config.nodeId),
    presence: new MemoryPresence(),
    bus: () => NO_BUS,
    permissions: new MemoryPermissions(clock),
    start: () => Promise.resolve(),
    stop: () => broker.stop(),
  };
}
