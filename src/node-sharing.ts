import type {
  Broker,
  ChangedElsewhere,
  Deliver,
  Lose,
  PermissionStore,
  RevocationStore,
  RevokedElsewhere,
  TicketStore,
} from "./broker/broker.ts";
import { MemoryBroker } from "./broker/memory.ts";
import { MemoryPermissions } from "./broker/memory-permissions.ts";
import { MemoryRevocations } from "./broker/memory-revocations.ts";
import { MemoryTickets } from "./broker/memory-tickets.ts";
import { redisAddresses } from "./broker/redis/address.ts";
import { RedisLink } from "./broker/redis/link.ts";
import { RedisBroker } from "./broker/redis.ts";
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
  /** Connects, and reads what was ordered before; returns when the first attempts have ended, well or not. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface SharingPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly deliver: Deliver;
  readonly lose: Lose;
  readonly onRevoked: (revoked: readonly RevokedElsewhere[]) => void;
  readonly onPermissionsChanged: (changed: readonly ChangedElsewhere[]) => void;
}

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
    permissions: new MemoryPermissions(clock),
    start: () => Promise.resolve(),
    stop: () => broker.stop(),
  };
}

/** Topics are spread over all addresses; what belongs to no topic is kept on the first. */
function overRedis(config: Config, ports: SharingPorts): Sharing {
  const { clock, log, deliver, lose } = ports;
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
  if (link === undefined) throw new Error("no address");
  const shared = {
    ...{ link, clock, nodeId: config.nodeId },
    report: (fields: Readonly<Record<string, string | number>>) => log.warn(fields, "what nodes share"),
  };
  const revocations = new RedisRevocations({ ...shared, onRevoked: ports.onRevoked });
  const permissions = new RedisPermissions({ ...shared, onChanged: ports.onPermissionsChanged });
  const broker = new RedisBroker(config, { links, clock, deliver, lose });
  return {
    broker,
    tickets: new RedisTickets(shared),
    ...{ revocations, permissions },
    async start() {
      await Promise.all(links.map((each) => each.start()));
      await Promise.all([revocations.start(), permissions.start()]);
    },
    async stop() {
      await broker.stop();
      for (const each of links) each.stop();
    },
  };
}
