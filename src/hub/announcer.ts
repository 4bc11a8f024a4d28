import type { Clock } from "../observe/clock.ts";
import type { WireUser } from "../protocol/server-frames.ts";
import type { Occupants } from "./occupants.ts";
import type { ChangeKind } from "./presence-changes.ts";
import { type Borders, MAX_DIFF_USERS, nextMode, presenceBorders, presenceTickMs } from "./presence-mode.ts";
import type { Room, Rooms } from "./rooms.ts";

const TYPES = { joined: "user_joined", left: "user_left" } as const;

/**
 * Tells the members of a topic who came and went: one by one while they are few, else in one `presence_diff` per tick, so that n users
 * who join cost n frames and not n². A topic has a timer only while something is to be told.
 */
export class Announcer {
  readonly #rooms: Rooms;
  readonly #clock: Clock;
  readonly #borders: Borders;

  constructor(rooms: Rooms, clock: Clock, fullMaxUsers: number) {
    this.#rooms = rooms;
    this.#clock = clock;
    this.#borders = presenceBorders(fullMaxUsers);
  }

  /**
   * To be called before the number of users changes. What is pending goes out before the mode changes: each change is told in the
   * mode of the number that it leads to, and the frame before it is right at its time.
   */
  before(room: Room, occupants: Occupants, usersAfter: number): void {
    const mode = nextMode(this.#borders, occupants.mode, usersAfter);
    if (mode === occupants.mode) return;
    this.#tell(room, occupants);
    occupants.mode = mode;
  }

  /** To be called once the change is made, while the user is no member: neither the one who joins nor the one who left. */
  changed(room: Room, occupants: Occupants, kind: ChangeKind, id: string, user: WireUser): void {
    if (room.members === 0) return;
    if (occupants.mode === "full") {
      const { userId, username } = user;
      const { place } = room;
      const data = { userId, username, ...place };
      this.#rooms.announce(room, { type: TYPES[kind], data, ...place, timestamp: this.#clock.now() });
      return;
    }
    if (occupants.mode === "diff") occupants.changes.note(kind, id, user);
    occupants.cancelTick ??= this.#clock.after(presenceTickMs(occupants.size), () => this.#tell(room, occupants));
  }

  /** Nobody is left who could be told. */
  drop(occupants: Occupants): void {
    occupants.cancelTick?.();
    occupants.cancelTick = null;
    occupants.changes.clear();
  }

  #tell(room: Room, occupants: Occupants): void {
    if (occupants.cancelTick === null) return;
    const { changes, mode, size: userCount } = occupants;
    // Also when all came and went: whoever was told a number in between would keep it.
    const lists = mode === "diff" && changes.size <= MAX_DIFF_USERS ? changes.lists() : {};
    const timestamp = this.#clock.now();
    this.#rooms.announce(room, { type: "presence_diff", ...room.place, ...lists, userCount, timestamp });
    this.drop(occupants);
  }
}
