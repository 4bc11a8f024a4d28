import { ENDS_WITH_US, TestRedis } from "../support/redis.ts";
import { TestSentinel } from "../support/sentinel.ts";
import { FaultProxy } from "./fault-proxy.ts";
import type { Random } from "./random.ts";
import type { RedisPlan } from "./world.ts";

const PROMOTED_WITHIN_MS = 30_000;
const POLL_MS = 50;

interface Parts {
  readonly master: TestRedis;
  readonly sentinel: TestSentinel | null;
  readonly proxies: readonly FaultProxy[];
}

/** What the nodes of a run share: a Redis as a process, and for each node a proxy on its way there. */
export class SharedRedis {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  static async start({ options, isReplicated }: RedisPlan, nodes: number, random: Random): Promise<SharedRedis> {
    if (isReplicated) {
      const sentinel = await TestSentinel.start(options, ENDS_WITH_US);
      return new SharedRedis({ master: sentinel.first, sentinel, proxies: [] });
    }
    const master = await TestRedis.start(options, ENDS_WITH_US);
    const proxies: FaultProxy[] = [];
    for (let index = 0; index < nodes; index += 1)
      proxies.push(await FaultProxy.start({ to: { port: master.port }, random: random.fork(`proxy ${index}`) }));
    return new SharedRedis({ master, sentinel: null, proxies });
  }

  /** The first of them, which may be no master any more. */
  get server(): TestRedis {
    return this.#parts.master;
  }

  get proxies(): readonly FaultProxy[] {
    return this.#parts.proxies;
  }

  proxyOf(node: number): FaultProxy {
    const proxy = this.proxies[node];
    if (proxy === undefined) throw new RangeError(`there is no proxy before node ${node}`);
    return proxy;
  }

  /** `BROKER_URL` of a node. */
  urlFor(node: number): string {
    const { sentinel } = this.#parts;
    return sentinel === null ? `redis://127.0.0.1:${this.proxyOf(node).port}` : sentinel.url;
  }

  /** Resolves when the Sentinel has another master than the first. */
  async promoted(): Promise<void> {
    const { sentinel, master } = this.#parts;
    if (sentinel === null) throw new RangeError("nobody is there to be promoted");
    const deadlineMs = performance.now() + PROMOTED_WITHIN_MS;
    while ((await sentinel.masterPort()) === master.port) {
      if (performance.now() > deadlineMs) throw new Error("the replica was not promoted");
      await Bun.sleep(POLL_MS);
    }
  }

  heal(): void {
    for (const proxy of this.proxies) proxy.heal();
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    const { master, sentinel, proxies } = this.#parts;
    await Promise.allSettled([(sentinel ?? master).stop(), ...proxies.map((proxy) => proxy.stop())]);
  }
}
