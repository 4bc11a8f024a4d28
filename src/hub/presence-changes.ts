import type { WireUser } from "../protocol/server-frames.ts";

export type ChangeKind = "joined" | "left";

interface Change {
  readonly kind: ChangeKind;
  readonly user: WireUser;
  /** How many pages had been read before it; a change that took one back is never taken back itself. */
  readonly afterPages: number;
}

const NEVER = -1;

/**
 * Who came and went since the members of a topic were last told. At most one change per user: who came and went again is none, unless
 * somebody has read a page of `presence_state` in between. That one must be told; whoever knows it already loses nothing.
 */
export class PresenceChanges {
  readonly #changes = new Map<string, Change>();
  #pages = 0;

  get size(): number {
    return this.#changes.size;
  }

  note(kind: ChangeKind, id: string, user: WireUser): void {
    const earlier = this.#changes.get(id);
    if (earlier === undefined) this.#changes.set(id, { kind, user, afterPages: this.#pages });
    else if (earlier.afterPages === this.#pages) this.#changes.delete(id);
    else this.#changes.set(id, { kind, user, afterPages: NEVER });
  }

  /** Somebody has seen the users as they are now, what is not told yet included. */
  wasRead(): void {
    this.#pages += 1;
  }

  /** The user is gone, and nobody is to be told. */
  forget(id: string): void {
    this.#changes.delete(id);
  }

  clear(): void {
    this.#changes.clear();
    this.#pages = 0;
  }

  /** As the fields of a frame. An empty list is left out, but not both: a frame with neither says that there were too many. */
  lists(): { joined?: readonly WireUser[]; left?: readonly WireUser[] } {
    const joined: WireUser[] = [];
    const left: WireUser[] = [];
    for (const { kind, user } of this.#changes.values()) {
      const { userId, username } = user;
      (kind === "joined" ? joined : left).push({ userId, username });
    }
    if (left.length === 0) return { joined };
    return joined.length === 0 ? { left } : { joined, left };
  }
}
