import { Generator } from "../load/children.ts";
import type { Rig, Side } from "../load/rig.ts";
import type { RedisProcess } from "./redis-process.ts";

let started = 0;

/** Nodes over one Redis, all on the first core, with one generator for all of them; without a Redis one node with the memory broker. */
export class SharedNodes {
  readonly sides: readonly Side[];
  readonly #generator: Generator;

  private constructor(sides: readonly Side[], generator: Generator) {
    this.sides = sides;
    this.#generator = generator;
  }

  static async start(rig: Rig, redis: RedisProcess | null, count: number): Promise<SharedNodes> {
    const generator = new Generator();
    const sides: Side[] = [];
    // Others over the same Redis have rooms of the same names.
    started += 1;
    const settings = redis === null ? {} : { BROKER_URL: `${redis.url}?prefix=set${started}:` };
    for (let n = 0; n < count; n++) {
      const server = await rig.startSubject(settings);
      const brokerPid = redis?.pid ?? 0;
      sides.push({ server, generator, dialect: "tautline", brokerPid, stop: () => server.stop() });
    }
    return new SharedNodes(sides, generator);
  }

  get generator(): Generator {
    return this.#generator;
  }

  async quiet(forMs: number): Promise<void> {
    await this.#generator.order<"quiet">({ do: "quiet", forMs });
  }

  async stop(): Promise<void> {
    await this.#generator.stop();
    await Promise.all(this.sides.map((side) => side.stop()));
  }
}
