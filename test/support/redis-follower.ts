import type { Position, Positioned } from "../../src/broker/broker.ts";
import { RedisBroker } from "../../src/broker/redis.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { systemClock } from "../../src/observe/clock.ts";

const BOUNDS = { historySize: 100, historyBytes: 100_000, historyTtlMs: 60_000 };

/** A node as far as its broker is concerned, that follows one topic. */
export class Follower {
  readonly delivered: Positioned[] = [];
  readonly lost: Position[] = [];
  readonly link: RedisLink;
  readonly broker: RedisBroker;
  readonly #topic: string;

  constructor(url: string, topic: string) {
    this.#topic = topic;
    const [address] = redisAddresses(url) ?? [];
    if (address === undefined) throw new Error("no address");
    this.link = new RedisLink({ address, clock: systemClock, report: () => undefined });
    this.broker = new RedisBroker(BOUNDS, {
      ...{ links: [this.link], clock: systemClock },
      deliver: (_topic, message) => this.delivered.push(message),
      lose: (_topic, position) => this.lost.push(position),
    });
  }

  static async start(url: string, topic: string): Promise<Follower> {
    const follower = new Follower(url, topic);
    await follower.link.start();
    await follower.broker.enter([{ topic, since: null }], () => follower.broker.follow(topic));
    return follower;
  }

  async publish(text: string, keeps = true): Promise<Position> {
    const body = { kind: "event", json: `{"type":"note","data":"${text}"` } as const;
    return this.broker.publish({ topic: this.#topic, body, identity: null }, keeps);
  }

  get texts(): (string | undefined)[] {
    return this.delivered.map(({ body }) => /"data":"(.*)"$/.exec(body.json)?.[1]);
  }

  stop(): void {
    this.link.stop();
  }
}
