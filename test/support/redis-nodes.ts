import type { Nodes } from "../../src/broker/broker.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { type NodeTimes, RedisNodes } from "../../src/broker/redis-nodes.ts";
import { type Clock, systemClock } from "../../src/observe/clock.ts";
import type { TestRedis } from "./redis.ts";

/** Nodes over one Redis, as far as they know of each other: with a connection each, and nothing else. */
export class RedisNodesRig {
  readonly redis: TestRedis;
  readonly warnings: string[] = [];
  /** The same with their fields. */
  readonly warned: (readonly [fields: object, message: string])[] = [];
  readonly failures: unknown[] = [];
  readonly #started: { readonly link: RedisLink; readonly nodes: RedisNodes }[] = [];

  constructor(redis: TestRedis) {
    this.redis = redis;
  }

  async start(
    nodeId: string,
    setUp: (nodes: Nodes) => void = () => undefined,
    times: Partial<NodeTimes> = {},
    clock: Clock = systemClock,
  ): Promise<{ readonly link: RedisLink; readonly nodes: RedisNodes; stop(): Promise<void> }> {
    const [address] = redisAddresses(this.redis.url) ?? [];
    if (address === undefined) throw new Error("no address");
    const link = new RedisLink({ address, clock: systemClock, report: () => undefined });
    const ports = {
      clock,
      warn: (fields: object, message: string) => {
        this.warnings.push(message);
        this.warned.push([fields, message]);
      },
      report: (error: unknown) => this.failures.push(error),
    };
    const nodes = new RedisNodes(nodeId, link, ports, times);
    setUp(nodes);
    await nodes.prepare();
    await link.start();
    await nodes.start();
    this.#started.push({ link, nodes });
    return { link, nodes, stop: () => stop(link, nodes) };
  }

  async stop(): Promise<void> {
    for (const { link, nodes } of this.#started.splice(0)) await stop(link, nodes);
  }
}

async function stop(link: RedisLink, nodes: RedisNodes): Promise<void> {
  await nodes.stop();
  link.stop();
}
