import type { History, Position } from "../broker/broker.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { WireUser } from "../protocol/server-frames.ts";
import type { Hub } from "./hub.ts";

/** A part of a list. A cursor means nothing to whoever has it; what is there all the time is on exactly one page. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins; absent on the last one. */
  readonly next?: string;
}

export interface PageRequest {
  /** Items on the page, 1 or more. */
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ListedTopic {
  readonly topic: string;
  /** Connections. */
  readonly members: number;
  /** Distinct users; absent in topics without presence. */
  readonly users?: number;
}

export interface ListedConnection {
  readonly id: string;
  /** The path that it came by. */
  readonly endpoint: string;
  readonly address: string;
  /** When it was opened, in milliseconds since 1970. */
  readonly since: number;
  readonly framing: "json" | "msgpack";
  /** How many topics it is in, `user:{id}` not counted. */
  readonly topics: number;
}

interface Present extends Page<WireUser> {
  readonly userCount: number;
}

/** What there is on this node, for the application's backend: nobody's access is asked. */
export class Directory {
  readonly #hub: Hub;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** In the order in which their first members came. Topics `user:…` have no members. Throws BAD_REQUEST for a cursor of another list. */
  topics({ limit, cursor }: PageRequest): Page<ListedTopic> {
    const after = serialOf(cursor);
    const items: ListedTopic[] = [];
    let lastSerial = after;
    for (const room of this.#hub.rooms.values()) {
      if (room.serial <= after) continue;
      if (items.length === limit) return { items, next: String(lastSerial) };
      const users = this.#hub.access.hasPresence(room.topic) ? { users: this.#hub.presence.count(room) } : {};
      items.push({ topic: room.topic, members: room.members, ...users });
      lastSerial = room.serial;
    }
    return { items };
  }

  /** Distinct users of all nodes, held ones too; on a node by itself in the order in which they came. Throws NOT_FOUND where nobody is announced, BAD_REQUEST. */
  presence(topic: string, { limit, cursor }: PageRequest): Present | Promise<Present> {
    if (!this.#hub.access.hasPresence(topic)) throw new ProtocolError("NOT_FOUND");
    serialOf(cursor);
    const list = (): Present => {
      const { users, ...rest } = this.#hub.presence.list(topic, cursor, limit);
      return { items: users, ...rest };
    };
    return this.#hub.presence.open(topic)?.then(list) ?? list();
  }

  /** The newest messages, or with `since` the oldest after it. Throws NOT_FOUND where none are kept. */
  history(topic: string, since: Position | null, limit: number): History | Promise<History> {
    if (!this.#hub.access.hasHistory(topic)) throw new ProtocolError("NOT_FOUND");
    return this.#hub.broker.history(topic, since, limit);
  }

  /** Of one user, oldest first. */
  connections(userId: string, { limit, cursor = "" }: PageRequest): Page<ListedConnection> {
    const { clock, users } = this.#hub;
    const openedBase = clock.now() - clock.monotonic();
    const behind = users
      .connectionsOf(userId)
      .filter(({ id }) => order(cursor, id) < 0)
      .toSorted((left, right) => order(left.id, right.id));
    const items = behind.slice(0, limit).map(({ id, endpoint, client, openedAtMs, codec, rooms }) => ({
      ...{ id, endpoint: endpoint.path, address: client.address, since: Math.round(openedBase + openedAtMs) },
      ...{ framing: codec.name, topics: rooms.length },
    }));
    const last = items.at(-1);
    return behind.length > limit && last !== undefined ? { items, next: last.id } : { items };
  }
}

/** 0 is before the first. */
function serialOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (!/^\d{1,15}$/.test(cursor)) throw new ProtocolError("BAD_REQUEST");
  return Number(cursor);
}

/** Ids end in a number that rises and has no leading zeros: the shorter one is the older one. */
function order(left: string, right: string): number {
  if (left.length !== right.length) return left.length - right.length;
  return left === right ? 0 : left < right ? -1 : 1;
}
