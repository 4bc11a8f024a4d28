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
import { redisAddresses } from "./broker/redis/address.ts";
import { RedisLink } from "./broker/redis/link.ts";
import { RedisBroker } from "./broker/redis.ts";
import { type NodeTimes, RedisNodes } from "./broker/redis-nodes.ts";
import { RedisPresence } from "./broker/redis-presence.ts";
import { RedisPermissions } from "./broker/redis-permissions.ts";
import { RedisRevocations } from "./broker/redis-revocations.ts";
import { RedisTickets } from "./broker/redis-tickets.ts";
import { type Config, configured } from "./config.ts";
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
type Rejected = Readonly<
  Partial<Record<"message" | "stream" | "presence" | "node" | "register" | "oversized", number>>
>;

interface SharingPorts {
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

/** Throws `ConfigError`. */
export function sharingOf(config: Config, ports: SharingPorts): Sharing {
  return config.brokerUrl === "memory://" ? alone(config, ports) : overRedis(config, ports);
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

/** Topics are spread over all addresses; what belongs to no topic is kept on the first. */
function overRedis(config: Config, ports: SharingPorts): Sharing {
  const { clock, log, lose, report, nodeTimes, presence: listener } = ports;
  const addresses = configured(() => {
    const known = redisAddresses(config.brokerUrl);
    if (known === null) throw new Error("BROKER_URL must be memory:// or addresses such as redis://host:6379/0");
    return known;
  });
  const links = addresses.map(
    (address) =>
      new RedisLink({
        address,
        clock,
        report: ({ up, ...about }) => log[up ? "info" : "warn"]({ up, ...about }, "broker"),
      }),
  );
  const [link] = links;
  if (link === undefined) throw new Error("BROKER_URL names no Redis");
  const shared = {
    ...{ link, clock, nodeId: config.nodeId },
    report: (fields: Readonly<Record<string, string | number>>) => log.warn(fields, "what nodes share"),
  };
  const revocations = new RedisRevocations({ ...shared, onRevoked: ports.onRevoked });
  const permissions = new RedisPermissions({ ...shared, onChanged: ports.onPermissionsChanged });
  const broker = new RedisBroker(config, {
    ...{ links, clock, lose },
    deliver(topic, message) {
      ports.wake();
      ports.deliver(topic, message);
    },
  });
  const warn = (fields: object, message: string): void => log.warn(fields, message);
  const nodes = new RedisNodes(config.nodeId, link, { clock, warn, report }, nodeTimes);
  const presence = new RedisPresence({ links, nodes, clock, listener });
  return {
    broker,
    tickets: new RedisTickets(shared),
    ...{ revocations, permissions, nodes, presence },
    bus: () =>
      busStateOf(links, {
        ...{ message: broker.foreignMessages, stream: broker.foreignEntries, presence: presence.rejected },
        ...{ node: nodes.rejected, register: revocations.rejected + permissions.rejected },
      }),
    async start() {
      await nodes.prepare();
      await Promise.all(links.map((each) => each.start()));
      await Promise.all([revocations.start(), permissions.start()]);
      await nodes.start();
    },
    async stop() {
      await presence.stop();
      await nodes.stop();
      await broker.stop();
      for (const each of links) each.stop();
    },
  };
}

function busStateOf(links: readonly RedisLink[], rejected: Rejected): BusState {
  const sum = (read: (link: RedisLink) => number): number => links.reduce((total, link) => total + read(link), 0);
  return {
    roundTripMs: Math.max(...links.map((link) => link.roundTripMs)),
    commandsInFlight: sum((link) => link.inFlight),
    reconnects: sum((link) => link.reconnects),
    rejected: { ...rejected, oversized: sum((link) => link.oversized) },
  };
}
