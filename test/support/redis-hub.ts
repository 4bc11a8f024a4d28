import { RedisBroker } from "../../src/broker/redis.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { Backend } from "../../src/hub/backend.ts";
import type { HubOptions } from "../../src/hub/ports.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { until } from "../auth/tokens.ts";
import { eventFor } from "./bodies.ts";
import { HubRig, type KeptSocket } from "./hub.ts";
import type { TestRedis } from "./redis.ts";

type Fields = Record<string, unknown>;
export type Member = ReturnType<HubRig["connect"]>;

const BOUNDS = { historySize: 1_000, historyBytes: 10_000_000, historyTtlMs: 300_000 };
const ROOMY: Partial<HubOptions> = {
  ...{ joinBurst: 1e6, joinsPerSecond: 1e6, messageBurst: 1e6, messagesPerSecond: 1e6 },
  pongTimeoutMs: 1e9,
};

/** A hub whose messages go over a Redis, which answers later: what falls into that time is what its tests are about. */
export class RedisHub {
  readonly rig: HubRig;
  readonly link: RedisLink;
  readonly broker: RedisBroker;
  readonly backend: Backend;

  private constructor(redis: TestRedis, options: Partial<HubOptions>) {
    const [address] = redisAddresses(redis.url) ?? [];
    if (address === undefined) throw new Error("no address");
    this.link = new RedisLink({ address, clock: systemClock, report: () => undefined });
    this.broker = new RedisBroker(BOUNDS, {
      ...{ links: [this.link], clock: systemClock },
      deliver: (topic, message) => this.rig.hub.deliver(topic, message),
      lose: (topic, position) => this.rig.hub.lose(topic, position),
    });
    this.rig = new HubRig({ ...ROOMY, ...options }, () => this.broker);
    this.backend = new Backend(this.rig.hub);
  }

  static async start(redis: TestRedis, options: Partial<HubOptions> = {}): Promise<RedisHub> {
    const hub = new RedisHub(redis, options);
    await hub.link.start();
    return hub;
  }

  /** A connection that has been greeted. */
  async connect(userId: string): Promise<Member> {
    const arrived = this.rig.connect(userId);
    await until(() => arrived.connection.waiting === null);
    arrived.socket.take();
    return arrived;
  }

  async member(userId: string, roomSlug: string): Promise<Member> {
    const member = await this.connect(userId);
    await this.ask(member, { type: "join_room", roomSlug });
    member.socket.take();
    return member;
  }

  /** Sends a frame, and waits until it is answered: all that came with the answer. */
  async ask({ socket, connection }: Member, frame: Fields): Promise<Fields[]> {
    this.rig.receive(connection, frame);
    await until(() => connection.waiting === null);
    return socket.take();
  }

  async publish(roomSlug: string, data: unknown = null): Promise<void> {
    const topic = `room:${roomSlug}`;
    await this.broker.publish({ topic, body: eventFor(topic, "note", data), identity: null }, true);
  }

  stop(): void {
    this.link.stop();
  }
}

/** Everything that a socket got, until one of that type is among it. */
export async function untilTold(socket: KeptSocket, type: string): Promise<Fields[]> {
  const frames: Fields[] = [];
  await until(() => {
    frames.push(...socket.take());
    return frames.some((frame) => frame["type"] === type);
  });
  return frames;
}
