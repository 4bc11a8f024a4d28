import type { PresenceListener, PresenceStore } from "../broker/broker.ts";
import type { Clock } from "../observe/clock.ts";
import type { WireUser } from "../protocol/server-frames.ts";
import type { Principal } from "../protocol/principal.ts";
import { Announcer } from "./announcer.ts";
import { MAX_RECONNECT_DELAY_MS } from "./reconnects.ts";
import { type Occupant, Occupants, PRESENCE_PAGE } from "./occupants.ts";
import { pageByPlace } from "./presence-list.ts";
import type { Room, Rooms } from "./rooms.ts";
import { shouldTellTyping } from "./typing.ts";

interface PresenceOptions {
  /** How long a user whose connection broke stays. */
  readonly presenceGraceMs: number;
  /** Up to how many users joins and leaves are told one by one. */
  readonly presenceFullMax: number;
}

/**
 * What the others are told when a user's last connection has ended: that the user left, at once or when it is not back in time, or nothing
 * since this node is being replaced and the user will be on another one.
 */
export type Departure = "announce" | "hold" | "silent";

/** After these ends a user is gone at once; after every other one it may be about to come back. */
const LEAVES_AT_ONCE: ReadonlySet<number> = new Set([1000, 1005, 4001, 4003]);

export function departureOf(closeCode: number): Departure {
  if (closeCode === 1012) return "silent";
  return LEAVES_AT_ONCE.has(closeCode) ? "announce" : "hold";
}

/** Over several nodes: how long a user counts whose node is being replaced. By then it has come back to another one. */
const HELD_BY_DRAIN_MS = MAX_RECONNECT_DELAY_MS + 5_000;

interface Held {
  readonly room: Room;
  readonly userId: string;
  readonly untilMs: number;
}

/**
 * Who is in which topic. Joins and leaves are announced to the members; a user whose connection broke is held for a grace period,
 * so that a reconnect makes no noise. Over several nodes a user comes with the first node and leaves with the last one: each tells the others
 * who is with it, and tells its own members what that makes of the whole.
 */
export class Presence implements PresenceListener {
  readonly #rooms: Rooms;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #announcer: Announcer;
  readonly #store: PresenceStore;
  /** In the order of their ends, since the grace period is the same for all. */
  #held: Held[] = [];
  #serial = 0;

  constructor(rooms: Rooms, store: PresenceStore, clock: Clock, options: PresenceOptions) {
    this.#rooms = rooms;
    this.#store = store;
    this.#clock = clock;
    this.#graceMs = options.presenceGraceMs;
    this.#announcer = new Announcer(rooms, clock, options.presenceFullMax);
  }

  /** Grace periods that are not over, those of users who are back already included. */
  get held(): number {
    return this.#held.length;
  }

  /** Distinct users of all nodes, held ones included. */
  count(room: Room): number {
    return room.occupants?.size ?? 0;
  }

  /** To be called before the connection is a member, so that the joiner does not get its own announcement. */
  join(room: Room, principal: Principal): void {
    const occupants = room.occupants ?? this.#follow(room);
    let occupant = occupants.get(principal.id);
    if (occupant === undefined) {
      const { wireId: userId, username } = principal;
      occupant = this.#add(room, occupants, principal.id, { userId, username });
    }
    const wasHere = isHere(occupant);
    occupant.connections += 1;
    occupant.heldUntilMs = 0;
    if (wasHere) return;
    occupants.here += 1;
    this.#store.joined(room.topic, principal.id, occupant);
  }

  /** To be called after the connection has left the room. */
  leave(room: Room, userId: string, departure: Departure): void {
    const { occupants } = room;
    const occupant = occupants?.get(userId);
    if (occupants === null || occupant === undefined) return;
    occupant.connections -= 1;
    if (occupant.connections > 0) return;
    if (room.members === 0) this.#announcer.drop(occupants);
    if (departure === "hold" && this.#graceMs > 0) {
      occupant.heldUntilMs = this.#clock.monotonic() + this.#graceMs;
      this.#held.push({ room, userId, untilMs: occupant.heldUntilMs });
    } else {
      this.#end(room, occupants, userId, occupant, departure === "silent");
    }
  }

  /** Ends the grace periods that are over. */
  sweep(): void {
    this.#store.sweep();
    const nowMs = this.#clock.monotonic();
    let ended = 0;
    for (const held of this.#held) {
      if (held.untilMs > nowMs) break;
      ended += 1;
      const { occupants } = held.room;
      const occupant = occupants?.get(held.userId);
      if (occupants !== null && occupant?.heldUntilMs === held.untilMs) {
        this.#end(held.room, occupants, held.userId, occupant, false);
      }
    }
    if (ended > 0) this.#held = this.#held.slice(ended);
  }

  /**
   * Finds out who is in the topic on other nodes, before somebody joins who would be the first one here, or before a question about it. Undefined
   * when that is known, or never will be; never rejects.
   */
  open(topic: string): void | Promise<void> {
    return this.#store.open(topic);
  }

  /** A page of the users, what the members have not been told yet included. */
  page(topic: string, after: string | undefined): { users: WireUser[]; userCount: number; next?: string } {
    const occupants = this.#rooms.get(topic)?.occupants ?? null;
    if (occupants === null) return this.list(topic, after, PRESENCE_PAGE);
    occupants.changes.wasRead();
    return { ...occupants.page(after), userCount: occupants.size };
  }

  /** The same with cursors that go on at every node, for whoever has no connection to one of them. */
  list(
    topic: string,
    after: string | undefined,
    limit: number,
  ): { users: WireUser[]; userCount: number; next?: string } {
    const occupants = this.#rooms.get(topic)?.occupants ?? null;
    if (!this.#store.isShared) {
      return { ...(occupants?.page(after, limit) ?? { users: [] }), userCount: occupants?.size ?? 0 };
    }
    const users = [...(occupants?.entries() ?? this.#store.elsewhere(topic))];
    return { ...pageByPlace(users, after, limit), userCount: users.length };
  }

  /** Whether the members are to be told that the user types, or stopped; those on other nodes are told here. */
  types(room: Room, userId: string, isTyping: boolean): boolean {
    const occupant = room.occupants?.get(userId);
    if (occupant === undefined || !shouldTellTyping(occupant, isTyping, this.#clock.monotonic())) return false;
    this.#store.typing(room.topic, occupant, isTyping);
    return true;
  }

  came(topic: string, id: string, user: WireUser): void {
    const room = this.#rooms.get(topic);
    const occupants = room?.occupants ?? null;
    if (room === undefined || occupants === null) return;
    const occupant = occupants.get(id) ?? this.#add(room, occupants, id, user);
    occupant.isElsewhere = true;
    // Who broke off here and has come back there need not be held.
    if (occupant.heldUntilMs > 0) this.#end(room, occupants, id, occupant, false);
  }

  went(topic: string, id: string): void {
    const room = this.#rooms.get(topic);
    const occupants = room?.occupants ?? null;
    const occupant = occupants?.get(id);
    if (room === undefined || occupants === null || occupant === undefined) return;
    occupant.isElsewhere = false;
    if (!isHere(occupant)) this.#remove(room, occupants, id, occupant);
  }

  typed(topic: string, { userId, username }: WireUser, isTyping: boolean): void {
    const room = this.#rooms.get(topic);
    if (room === undefined) return;
    const timestamp = this.#clock.now();
    this.#rooms.announce(room, { type: "typing", ...room.place, userId, username, isTyping, timestamp });
  }

  #follow(room: Room): Occupants {
    const occupants = new Occupants();
    room.occupants = occupants;
    this.#store.follow(room.topic);
    for (const [id, user] of this.#store.elsewhere(room.topic)) {
      this.#add(room, occupants, id, user).isElsewhere = true;
    }
    return occupants;
  }

  #add(room: Room, occupants: Occupants, id: string, { userId, username }: WireUser): Occupant {
    this.#serial += 1;
    const occupant = {
      ...{ userId, username, serial: this.#serial, connections: 0, isElsewhere: false, heldUntilMs: 0 },
      ...{ isTyping: false, toldTypingMs: Number.NEGATIVE_INFINITY, isGone: false },
    };
    this.#announcer.before(room, occupants, occupants.size + 1);
    occupants.add(id, occupant);
    this.#announcer.changed(room, occupants, "joined", id, occupant);
    return occupant;
  }

  /** The user is on this node no more; the store may say that it counts as being elsewhere. */
  #end(room: Room, occupants: Occupants, userId: string, occupant: Occupant, isSilent: boolean): void {
    occupant.heldUntilMs = 0;
    occupants.here -= 1;
    this.#store.left(room.topic, userId, occupant, isSilent ? HELD_BY_DRAIN_MS : 0);
    if (!occupant.isElsewhere) {
      if (isSilent) {
        occupants.changes.forget(userId);
        occupants.delete(userId);
      } else this.#remove(room, occupants, userId, occupant);
    }
    this.#rooms.freeIfEmpty(room);
    if (room.members === 0 && occupants.here === 0) this.#store.unfollow(room.topic);
  }

  #remove(room: Room, occupants: Occupants, userId: string, occupant: Occupant): void {
    this.#announcer.before(room, occupants, occupants.size - 1);
    occupants.delete(userId);
    this.#announcer.changed(room, occupants, "left", userId, occupant);
  }
}

function isHere({ connections, heldUntilMs }: Occupant): boolean {
  return connections > 0 || heldUntilMs > 0;
}
