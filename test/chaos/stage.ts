import { join } from "node:path";
import { Crew } from "./crew.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { NodeUnderTest } from "./node-under-test.ts";
import type { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import type { Whom } from "./schedule.ts";
import { SharedRedis } from "./shared-redis.ts";
import { publishersOf, subscribersOf, type World } from "./world.ts";

export interface StageOptions {
  readonly world: World;
  /** For the history and the logs. */
  readonly directory: string;
  readonly random: Random;
  /** Modules that are loaded into the nodes. */
  readonly preloads: readonly string[];
  /** Every process ends by itself after so long. */
  readonly endsAfterMs: number;
  /** How long behind the end of a token a node may still send. */
  readonly expiryAllowanceMs: number;
}

/** What a drain looked like from outside. */
export interface Drain {
  /** Of the proxies before the node. */
  readonly ports: readonly number[];
  /** When `/ready` was first seen to say no. */
  readonly unreadyAtMs: number;
  readonly endedAtMs: number;
}

/** Extra connections, and how many of them the node did not take. */
export interface Crowd {
  readonly opened: number;
  readonly refused: number;
}

/** The world of a profile while it runs: its processes, its proxies, and what the kit itself saw. */
export class Stage {
  /** None before `start`. */
  nodes: readonly NodeUnderTest[] = [];
  readonly recorder: Recorder;
  readonly drains: Drain[] = [];
  readonly crowds: Crowd[] = [];
  readonly #options: StageOptions;
  readonly #proxies = new Map<Whom, FaultProxy[]>([
    ["publishers", []],
    ["subscribers", []],
  ]);
  readonly #crews: Crew[] = [];
  #redis: SharedRedis | null = null;

  constructor(options: StageOptions) {
    this.#options = options;
    this.recorder = new Recorder(join(options.directory, "kit.jsonl"));
  }

  get crews(): readonly Crew[] {
    return this.#crews;
  }

  /** Everything that a process of this run writes its history to. */
  get histories(): readonly string[] {
    const { directory } = this.#options;
    return ["kit", ...this.#crews.map(({ name }) => name)].map((name) => join(directory, `${name}.jsonl`));
  }

  async start(): Promise<void> {
    const { world, random, directory, preloads, endsAfterMs } = this.#options;
    const { broker, nodes } = world;
    if (broker !== "memory") this.#redis = await SharedRedis.start(broker, nodes, random.fork("redis"));
    this.nodes = Array.from({ length: nodes }, (_, index) => {
      const settings = this.#settingsOf(index);
      return new NodeUnderTest({ name: `node-${index + 1}`, directory, world, settings, preloads, endsAfterMs });
    });
    for (const [index, node] of this.nodes.entries()) {
      await node.start();
      for (const [whom, proxies] of this.#proxies)
        proxies.push(
          await FaultProxy.start({ to: { port: node.port }, random: random.fork(`proxy ${whom} ${index}`) }),
        );
    }
    const opening = [this.#open(new Crew("publishers", "publishers.ts"), "publishers", publishersOf(world))];
    for (const [index, clients] of subscribersOf(world).entries())
      opening.push(this.#open(new Crew(`subscribers-${index + 1}`, "subscribers.ts"), "subscribers", clients));
    await Promise.all(opening);
  }

  node(index: number): NodeUnderTest {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  proxies(whom: Whom): readonly FaultProxy[] {
    return this.#proxies.get(whom) ?? [];
  }

  /** Of the proxies before that node. */
  portsOf(index: number): number[] {
    return [...this.#proxies.values()].flatMap((proxies) => proxies[index]?.port ?? []);
  }

  /** That a subscriber wants to be in. */
  topicsOf(name: string): string[] {
    const plans = subscribersOf(this.#options.world).flat();
    return (plans.find((plan) => plan.name === name)?.rooms ?? []).map((slug) => `room:${slug}`);
  }

  get redis(): SharedRedis {
    if (this.#redis === null) throw new RangeError("these nodes share no Redis");
    return this.#redis;
  }

  heal(): void {
    this.#redis?.heal();
    for (const proxies of this.#proxies.values()) for (const proxy of proxies) proxy.heal();
  }

  /** Whatever is still running. Never rejects. */
  async end(): Promise<void> {
    await Promise.allSettled([...this.#crews.map((crew) => crew.end()), ...this.nodes.map((node) => node.kill())]);
    await Promise.allSettled([...this.#proxies.values()].flat().map((proxy) => proxy.stop()));
    await this.#redis?.stop();
    this.recorder.close();
  }

  #settingsOf(index: number): Readonly<Record<string, string>> {
    const { hasOneNodeId } = this.#options.world;
    return {
      ...(this.#redis !== null && { BROKER_URL: this.#redis.urlFor(index) }),
      ...(hasOneNodeId && { NODE_ID: "node" }),
    };
  }

  async #open(crew: Crew, whom: Whom, clients: ReturnType<typeof publishersOf>): Promise<void> {
    const { directory, random, world, endsAfterMs, expiryAllowanceMs } = this.#options;
    this.#crews.push(crew);
    await crew.order<"open">({
      do: "open",
      ...{ clients, endsAfterMs, expiryAllowanceMs, size: world.publishers.size, client: world.client },
      ports: this.proxies(whom).map(({ port }) => port),
      history: join(directory, `${crew.name}.jsonl`),
      seed: random.fork(crew.name).seed,
    });
  }
}
