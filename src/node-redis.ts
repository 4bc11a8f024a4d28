import { addressName, redisAddresses } from "./broker/redis/address.ts";
import { warnOfEviction } from "./broker/redis/eviction.ts";
import { RedisLink } from "./broker/redis/link.ts";
import { RedisBroker } from "./broker/redis.ts";
import { RedisNodes } from "./broker/redis-nodes.ts";
import { RedisPermissions } from "./broker/redis-permissions.ts";
import { RedisPresence } from "./broker/redis-presence.ts";
import { RedisRevocations } from "./broker/redis-revocations.ts";
import { RedisTickets } from "./broker/redis-tickets.ts";
import { type Config, configured } from "./config.ts";
import type { BusState, Rejected, Sharing, SharingPorts } from "./node-sharing.ts";

/** Topics are spread over all addresses; what belongs to no topic is kept on the first. Throws `ConfigError`. */
export function overRedis(config: Config, ports: SharingPorts): Sharing {
  const { clock, log, lose, report, nodeTimes, presence: listener } = ports;
  const addresses = configured(() => {
    const known = redisAddresses(config.brokerUrl);
    if (known === null) throw new Error("BROKER_URL must be memory:// or addresses such as redis://host:6379/0");
    if (new Set(known.map(addressName)).size < known.length) throw new Error("BROKER_URL names a Redis twice");
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
  const warn = (fields: object, message: string): void => log.warn(fields, message);
  for (const each of links) warnOfEviction(each, warn);
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
