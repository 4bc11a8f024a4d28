import type { Broker, Deliver, Lose, RevocationStore, TicketStore } from "./broker/broker.ts";
import { MemoryBroker } from "./broker/memory.ts";
import { MemoryRevocations } from "./broker/memory-revocations.ts";
import { MemoryTickets } from "./broker/memory-tickets.ts";
import { redisAddresses } from "./broker/redis/address.ts";
import { RedisLink } from "./broker/redis/link.ts";
import { RedisBroker } from "./broker/redis.ts";
import { type Config, configured } from "./config.ts";
import type { Clock } from "./observe/clock.ts";
import type { Log } from "./observe/log.ts";

/** What a node shares with others, or has for itself alone: chosen by `BROKER_URL`. */
export interface Sharing {
  readonly broker: Broker;
  readonly tickets: TicketStore;
  readonly revocations: RevocationStore;
  /** Connects; returns when the first attempts have ended, well or not. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface SharingPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly deliver: Deliver;
  readonly lose: Lose;
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
    start: () => Promise.resolve(),
    stop: () => broker.stop(),
  };
}

/** Topics are spread over all addresses; what belongs to no topic is kept on the first. */
function overRedis(config: Config, { clock, log, deliver, lose }: SharingPorts): Sharing {
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
  const broker = new RedisBroker(config, { links, clock, deliver, lose });
  return {
    broker,
    tickets: new MemoryTickets(clock),
    revocations: new MemoryRevocations(clock),
    async start() {
      await Promise.all(links.map((link) => link.start()));
    },
    async stop() {
      await broker.stop();
      for (const link of links) link.stop();
    },
  };
}
