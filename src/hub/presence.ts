import type { Clock } from "../observe/clock.ts";
import type { WireUser } from "../protocol/server-frames.ts";
import type { Principal } from "../protocol/principal.ts";
import { Announcer } from "./announcer.ts";
import { type Occupant, Occupants } from "./occupants.ts";
import type { Room, Rooms } from "./rooms.ts";

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

/** `isTyping: true` of one user goes out at most this often per topic. */
const TYPING_INTERVAL_MS = 1_000;

interface Held {
  readonly room: Room;
  readonly userId: string;
  readonly untilMs: number;
}

/**
 * Who is in which topic. Joins and leaves are announced to the members; a user whose connection broke is held for a grace period,
 * so that a reconnect makes no noise.
 */
export class Presence {
  readonly #rooms: Rooms;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #announcer: Announcer;
  /** In the order of their ends, since the grace period is the same for all. */
  #held: Held[] = [];
  #serial = 0;

  constructor(rooms: Rooms, clock: Clock, options: PresenceOptions) {
    this.#rooms = rooms;
    this.#clock = clock;
    this.#graceMs = options.presenceGraceMs;
    this.#announcer = new Announcer(rooms, clock, options.presenceFullMax);
  }

  /** Grace periods that are not over, those of users who are back already included. */
  get held(): number {
    return this.#held.length;
  }

  /** Distinct users, held ones included. */
  count(room: Room): number {
    return room.occupants?.size ?? 0;
  }

  /** To be called before the connection is a member, so that the joiner does not get its own announcement. */
  join(room: Room, principal: Principal): void {
    room.occupants ??= new Occupants();
    const { occupants } = room;
    const occupant = occupants.get(principal.id);
    if (occupant !== undefined) {
      occupant.connections += 1;
      occupant.heldUntilMs = 0;
      return;
    }
    const { wireId: userId, username } = principal;
    this.#serial += 1;
    const joined = {
      userId,
      username,
      serial: this.#serial,
      connections: 1,
      heldUntilMs: 0,
      isTyping: false,
      toldTypingMs: Number.NEGATIVE_INFINITY,
      isGone: false,
    };
    this.#announcer.before(room, occupants, occupants.size + 1);
    occupants.add(principal.id, joined);
    this.#announcer.changed(room, occupants, "joined", principal.id, joined);
  }

  /** To be called after the connection has left the room. */
  leave(room: Room, userId: string, departure: Departure): void {
    const { occupants } = room;
    const occupant = occupants?.get(userId);
    if (occupants === null || occupant === undefined) return;
    occupant.connections -= 1;
    if (occupant.connections > 0) return;
    if (room.members === 0) this.#announcer.drop(occupants);
    if (departure === "silent") {
      occupants.changes.forget(userId);
      occupants.delete(userId);
      this.#rooms.freeIfEmpty(room);
    } else if (departure === "hold" && this.#graceMs > 0) {
      occupant.heldUntilMs = this.#clock.monotonic() + this.#graceMs;
      this.#held.push({ room, userId, untilMs: occupant.heldUntilMs });
    } else {
      this.#remove(room, occupants, userId, occupant);
    }
  }

  /** Ends the grace periods that are over. */
  sweep(): void {
    const nowMs = this.#clock.monotonic();
    let ended = 0;
    for (const held of this.#held) {
      if (held.untilMs > nowMs) break;
      ended += 1;
      const { occupants } = held.room;
      const occupant = occupants?.get(held.userId);
      if (occupants !== null && occupant?.heldUntilMs === held.untilMs) {
        this.#remove(held.room, occupants, held.userId, occupant);
      }
    }
    if (ended > 0) this.#held = this.#held.slice(ended);
  }

  /** A page of the users, what the members have not been told yet included. */
  page(room: Room, after: string | undefined): { users: WireUser[]; next?: string } {
    if (room.occupants === null) return { users: [] };
    room.occupants.changes.wasRead();
    return room.occupants.page(after);
  }

  /** Whether the others are to be told: a `true` at most once a second, a `false` whenever they believe otherwise. */
  shouldTellTyping(room: Room, userId: string, isTyping: boolean): boolean {
    const occupant = room.occupants?.get(userId);
    if (occupant === undefined) return false;
    if (!isTyping) {
      const wasTyping = occupant.isTyping;
      occupant.isTyping = false;
      return wasTyping;
    }
    const nowMs = this.#clock.monotonic();
    if (nowMs - occupant.toldTypingMs < TYPING_INTERVAL_MS) return false;
    occupant.isTyping = true;
    occupant.toldTypingMs = nowMs;
    return true;
  }

  #remove(room: Room, occupants: Occupants, userId: string, occupant: Occupant): void {
    this.#announcer.before(room, occupants, occupants.size - 1);
    occupants.delete(userId);
    this.#announcer.changed(room, occupants, "left", userId, occupant);
    this.#rooms.freeIfEmpty(room);
  }
}
