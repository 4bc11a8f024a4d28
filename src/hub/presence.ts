import type { Clock } from "../observe/clock.ts";
import type { WireUser } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Room, Rooms } from "./rooms.ts";

/** A user in a topic: one, however many of the user's connections are there. */
interface Occupant extends WireUser {
  /** In which place the user came: the cursor of `presence_state`, which outlives the user. */
  readonly serial: number;
  connections: number;
  /** While no connection is left: when the user counts as gone, in monotonic milliseconds. 0 otherwise. */
  heldUntilMs: number;
  /** Whether the others believe that the user types. */
  isTyping: boolean;
  /** When they were last told so: a `false` in between does not make the next `true` come sooner. */
  toldTypingMs: number;
}

export type Occupants = Map<string, Occupant>;

/** Users on one page of `presence_state`. */
export const PRESENCE_PAGE = 200;

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
  /** In the order of their ends, since the grace period is the same for all. */
  #held: Held[] = [];
  #serial = 0;

  constructor(rooms: Rooms, clock: Clock, graceMs: number) {
    this.#rooms = rooms;
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** Distinct users, held ones included. */
  count(room: Room): number {
    return room.occupants?.size ?? 0;
  }

  /** To be called before the connection is a member, so that the joiner does not get its own announcement. */
  join(room: Room, principal: Principal): void {
    room.occupants ??= new Map();
    const occupant = room.occupants.get(principal.id);
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
    };
    room.occupants.set(principal.id, joined);
    this.#announce("user_joined", room, joined);
  }

  /**
   * To be called after the connection has left the room. `hold` when the user may be about to come back, `silent` when this node is
   * being replaced and the user will be on another one.
   */
  leave(room: Room, userId: string, departure: "announce" | "hold" | "silent"): void {
    const occupant = room.occupants?.get(userId);
    if (occupant === undefined) return;
    occupant.connections -= 1;
    if (occupant.connections > 0) return;
    if (departure === "silent") {
      room.occupants?.delete(userId);
      this.#rooms.freeIfEmpty(room);
    } else if (departure === "hold" && this.#graceMs > 0) {
      occupant.heldUntilMs = this.#clock.monotonic() + this.#graceMs;
      this.#held.push({ room, userId, untilMs: occupant.heldUntilMs });
    } else {
      this.#remove(room, userId, occupant);
    }
  }

  /** Ends the grace periods that are over. */
  sweep(): void {
    const nowMs = this.#clock.monotonic();
    let ended = 0;
    for (const held of this.#held) {
      if (held.untilMs > nowMs) break;
      ended += 1;
      const occupant = held.room.occupants?.get(held.userId);
      if (occupant !== undefined && occupant.heldUntilMs === held.untilMs) {
        this.#remove(held.room, held.userId, occupant);
      }
    }
    if (ended > 0) this.#held = this.#held.slice(ended);
  }

  /** Up to 200 users, in the order in which they came. `next` is the cursor of the following page, whoever has left by then. */
  page(room: Room, after: string | undefined): { users: WireUser[]; next?: string } {
    const users: WireUser[] = [];
    const afterSerial = after === undefined ? 0 : Number(after);
    let lastSerial = 0;
    for (const { serial, userId, username } of room.occupants?.values() ?? []) {
      if (serial <= afterSerial) continue;
      if (users.length === PRESENCE_PAGE) return { users, next: String(lastSerial) };
      users.push({ userId, username });
      lastSerial = serial;
    }
    return { users };
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

  #remove(room: Room, userId: string, occupant: Occupant): void {
    room.occupants?.delete(userId);
    this.#announce("user_left", room, occupant);
    this.#rooms.freeIfEmpty(room);
  }

  #announce(type: "user_joined" | "user_left", room: Room, { userId, username }: WireUser): void {
    if (room.members === 0) return;
    const { place } = room;
    const data = { userId, username, ...place };
    this.#rooms.announce(room, { type, data, ...place, timestamp: this.#clock.now() });
  }
}
