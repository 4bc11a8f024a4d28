import type { WireUser } from "../protocol/server-frames.ts";
import { PresenceChanges } from "./presence-changes.ts";
import type { PresenceMode } from "./presence-mode.ts";

/** A user in a topic: one, however many of the user's connections are there, and on however many nodes. */
export interface Occupant extends WireUser {
  /** In which place the user came: the cursor of `presence_state`, which outlives the user. */
  readonly serial: number;
  /** On this node. */
  connections: number;
  /** Whether the user is on another node. */
  isElsewhere: boolean;
  /** While no connection is left: when the user counts as gone, in monotonic milliseconds. 0 otherwise. */
  heldUntilMs: number;
  /** Whether the others believe that the user types. */
  isTyping: boolean;
  /** When they were last told so: a `false` in between does not make the next `true` come sooner. */
  toldTypingMs: number;
  isGone: boolean;
}

/** Users on one page of `presence_state`. */
export const PRESENCE_PAGE = 200;

/** Those who left are taken out of the order once they are more than this and than those who are there. */
const MIN_GONE = 64;

/** The users of one topic, and what its members have not been told of them yet. */
export class Occupants {
  readonly #byId = new Map<string, Occupant>();
  /** In the order in which they came, and so by serial; some have left. A page in the middle is found without a walk to it. */
  #order: Occupant[] = [];
  mode: PresenceMode = "full";
  readonly changes = new PresenceChanges();
  /** Users who are on this node, held ones included. */
  here = 0;
  /** Ends the wait for the next `presence_diff`; null while nothing is to be told. */
  cancelTick: (() => void) | null = null;

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Occupant | undefined {
    return this.#byId.get(id);
  }

  entries(): IterableIterator<[string, Occupant]> {
    return this.#byId.entries();
  }

  /** With a higher serial than all before. */
  add(id: string, occupant: Occupant): void {
    this.#byId.set(id, occupant);
    this.#order.push(occupant);
  }

  delete(id: string): void {
    const occupant = this.#byId.get(id);
    if (occupant === undefined) return;
    this.#byId.delete(id);
    occupant.isGone = true;
    const gone = this.#order.length - this.#byId.size;
    if (gone > MIN_GONE && gone > this.#byId.size) this.#order = this.#order.filter(({ isGone }) => !isGone);
  }

  /** Up to `limit` users, in the order in which they came. `next` is the cursor of the following page, whoever has left by then. */
  page(after: string | undefined, limit = PRESENCE_PAGE): { users: WireUser[]; next?: string } {
    const users: WireUser[] = [];
    const afterSerial = after === undefined ? 0 : Number(after);
    let lastSerial = afterSerial;
    for (let at = this.#firstBehind(afterSerial); at < this.#order.length; at += 1) {
      const occupant = this.#order[at];
      if (occupant === undefined || occupant.isGone) continue;
      if (users.length === limit) return { users, next: String(lastSerial) };
      users.push({ userId: occupant.userId, username: occupant.username });
      lastSerial = occupant.serial;
    }
    return { users };
  }

  #firstBehind(serial: number): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle]?.serial ?? 0) <= serial) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
