import type { History, Position } from "../broker/broker.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { WireUser } from "../protocol/server-frames.ts";
import type { Hub } from "./hub.ts";
import type { Room } from "./rooms.ts";

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
  readonly users?: number | undefined;
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

/** What there is on this node, for the application's backend (`Survey`: on all of them). Nobody's access is asked. */
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
      items.push(this.#listed(room));
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

  /** The first `limit` behind a name, in the order of their names: nodes that list together have no other order in common. */
  topicsByName(after: string, limit: number): ListedTopic[] {
    const rooms = firstBehind(this.#hub.rooms.values(), after, limit);
    return rooms.map((room) => this.#listed(room));
  }

  /** The first `limit` of a user behind an id, oldest first. */
  connectionsAfter(userId: string, after: string, limit: number): ListedConnection[] {
    const { clock, users } = this.#hub;
    const openedBase = clock.now() - clock.monotonic();
    const behind = users
      .connectionsOf(userId)
      .filter(({ id }) => byAge(after, id) < 0)
      .toSorted((left, right) => byAge(left.id, right.id));
    return behind.slice(0, limit).map(({ id, endpoint, client, openedAtMs, codec, rooms }) => ({
      ...{ id, endpoint: endpoint.path, address: client.address, since: Math.round(openedBase + openedAtMs) },
      ...{ framing: codec.name, topics: rooms.length },
    }));
  }

  #listed(room: Room): ListedTopic {
    const { topic, members } = room;
    const users = this.#hub.access.hasPresence(topic) ? { users: this.#hub.presence.count(room) } : {};
    return { topic, members, ...users };
  }
}

/** Of very many rooms a few are wanted: never more than twice as many are kept, and sorted. */
function firstBehind(rooms: Iterable<Room>, after: string, limit: number): Room[] {
  const byName = (left: Room, right: Room): number => (left.topic < right.topic ? -1 : 1);
  let kept: Room[] = [];
  let last: string | null = null;
  for (const room of rooms) {
    if (room.topic <= after || (last !== null && room.topic > last)) continue;
    kept.push(room);
    if (kept.length < 2 * limit) continue;
    kept = kept.toSorted(byName).slice(0, limit);
    last = kept.at(-1)?.topic ?? null;
  }
  return kept.toSorted(byName).slice(0, limit);
}

/** 0 is before the first. */
function serialOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (!/^\d{1,15}$/.test(cursor)) throw new ProtocolError("BAD_REQUEST");
  return Number(cursor);
}

/** Orders ids of connections. They end in a number that rises and has no leading zeros: the shorter one is the older one. */
export function byAge(left: string, right: string): number {
  if (left.length !== right.length) return left.length - right.length;
  return left === right ? 0 : left < right ? -1 : 1;
}
