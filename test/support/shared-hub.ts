import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { RedisNodes } from "../../src/broker/redis-nodes.ts";
import { RedisPresence, type RedisPresenceOptions } from "../../src/broker/redis-presence.ts";
import type { HubOptions } from "../../src/hub/ports.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { until } from "../auth/tokens.ts";
import { HubRig, type KeptSocket } from "./hub.ts";
import type { TestRedis } from "./redis.ts";

type Fields = Record<string, unknown>;
type Member = ReturnType<HubRig["connect"]>;

export const LEASE_MS = 400;

/** A hub that shares presence with others over one Redis. Its own clock stands still, that of what it shares does not. */
export class SharedHub {
  readonly rig: HubRig;
  readonly link: RedisLink;
  readonly nodes: RedisNodes;
  readonly presence: RedisPresence;
  #isDead = false;

  private constructor(
    redis: TestRedis,
    nodeId: string,
    presence: Partial<RedisPresenceOptions>,
    hub: Partial<HubOptions>,
  ) {
    const [address] = redisAddresses(redis.url) ?? [];
    if (address === undefined) throw new Error("no address");
    const clock = systemClock;
    this.link = new RedisLink({ address, clock, report: () => undefined });
    const report = (error: unknown): void => console.error(error);
    const times = { leaseMs: LEASE_MS, renewMs: LEASE_MS / 4, answerMs: 200 };
    this.nodes = new RedisNodes(nodeId, this.link, { clock, warn: () => undefined, report }, times);
    const listener = () => this.rig.hub.presence;
    this.presence = new RedisPresence(
      { ...{ links: [this.link], nodes: this.nodes }, clock, listener },
      { reapAfterMs: 300, windowMs: 5, ...presence },
    );
    const roomy = { joinBurst: 100_000, joinsPerSecond: 100_000, pongTimeoutMs: 1e9, ...hub };
    this.rig = new HubRig(roomy, (broker) => broker, {}, { presence: this.presence });
  }

  static async start(
    redis: TestRedis,
    nodeId: string,
    presence: Partial<RedisPresenceOptions> = {},
    hub: Partial<HubOptions> = {},
  ): Promise<SharedHub> {
    const shared = new SharedHub(redis, nodeId, presence, hub);
    await shared.nodes.prepare();
    await shared.link.start();
    await shared.nodes.start();
    return shared;
  }

  /** A connection of the user that is a member of the room, with the answer to its joining. */
  async member(userId: string, roomSlug: string): Promise<Member & { readonly joined: Fields }> {
    const connected = this.rig.connect(userId);
    const joined = await this.ask(connected, { type: "join_room", roomSlug }, "room_joined");
    return { ...connected, joined };
  }

  /** Sends a frame and waits for the answer of that type; what came before it is taken, what came behind it stays. */
  async ask({ socket, connection }: Member, frame: Fields, type: string): Promise<Fields> {
    this.rig.receive(connection, frame);
    let answer: Fields | undefined;
    await until(() => {
      answer ??= socket.take().findLast((taken) => taken["type"] === type);
      return answer !== undefined;
    });
    return answer ?? {};
  }

  /** The ids of those who are in the room, as this hub knows it. */
  users(roomSlug: string): string[] {
    const occupants = this.rig.hub.rooms.get(`room:${roomSlug}`)?.occupants;
    return [...(occupants?.entries() ?? [])].map(([id]) => id).toSorted();
  }

  /** As a crash: Redis hears no more of it. */
  kill(): void {
    this.#isDead = true;
    this.link.stop();
  }

  async stop(): Promise<void> {
    if (!this.#isDead) await this.presence.stop();
    await this.nodes.stop();
    this.link.stop();
  }
}

/** What a member was told of others since the last call: `+ada`, `-ada`. */
export function told(socket: KeptSocket): string[] {
  return socket
    .take()
    .filter(({ type }) => type === "user_joined" || type === "user_left")
    .map(({ type, data }) => (type === "user_joined" ? "+" : "-") + String(Object(data).userId));
}
