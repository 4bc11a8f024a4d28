import type { WireUser } from "../protocol/server-frames.ts";

/** Stands for no node: users whose node is being replaced, who will come back to another one. */
export const NO_NODE = "";

interface Entry {
  readonly user: WireUser;
  /** When it ends by itself, monotonic milliseconds. */
  untilMs: number;
}

interface NodeUsers {
  isAlive: boolean;
  /** Since when the node is not known to live, and when its users are to be taken out of the store: monotonic milliseconds. */
  reapAtMs: number;
  readonly entries: Map<string, Entry>;
}

/** What a store holds of one topic: node → id → user and, for those without a node, until when. */
export type Holdings = ReadonlyMap<string, ReadonlyMap<string, { readonly user: WireUser; readonly untilMs: number }>>;

export interface MirrorOptions {
  readonly self: string;
  readonly isAlive: (node: string) => boolean;
  /** How long the users of a dead node stay in the store: it may be there again. */
  readonly reapAfterMs: number;
}

interface MirrorListener {
  came(id: string, user: WireUser): void;
  went(id: string): void;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * The users of one topic on other nodes, as the shared store holds them. Those of nodes that are not known to live are remembered and do not
 * count. The listener is told each time a user comes to another node, and when it is on none any more.
 */
export class PresenceMirror {
  readonly #options: MirrorOptions;
  readonly #listener: MirrorListener;
  readonly #nodes = new Map<string, NodeUsers>();
  /** On how many living nodes each user is. */
  readonly #users = new Map<string, { readonly user: WireUser; nodes: number }>();
  /** Nothing ends by itself before. */
  #nextEndMs = NEVER;

  constructor(options: MirrorOptions, listener: MirrorListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Users on other nodes. */
  get size(): number {
    return this.#users.size;
  }

  *users(): Iterable<readonly [id: string, user: WireUser]> {
    for (const [id, { user }] of this.#users) yield [id, user];
  }

  /** Whether whoever is on that node is there. */
  counts(node: string): boolean {
    return node === NO_NODE || node === this.#options.self || this.#options.isAlive(node);
  }

  put(node: string, id: string, user: WireUser, untilMs: number, nowMs: number): void {
    if (node === this.#options.self) return;
    const users = this.#node(node, nowMs);
    this.#nextEndMs = Math.min(this.#nextEndMs, untilMs);
    const known = users.entries.get(id);
    if (known !== undefined) {
      known.untilMs = untilMs;
      return;
    }
    users.entries.set(id, { user, untilMs });
    if (users.isAlive) this.#count(id, user);
  }

  remove(node: string, id: string): void {
    const users = this.#nodes.get(node);
    if (users === undefined || !users.entries.delete(id)) return;
    if (users.isAlive) this.#discount(id);
    if (users.entries.size === 0) this.#nodes.delete(node);
  }

  /**
   * All that the store holds now. What is missing there is gone; or it is believed until `doubtMs`, when the store has lost what it had and the
   * nodes that live are about to say it again.
   */
  replace(holdings: Holdings, nowMs: number, doubtMs: number | null): void {
    for (const [node, entries] of holdings) {
      for (const [id, { user, untilMs }] of entries) this.put(node, id, user, untilMs, nowMs);
    }
    for (const [node, { entries, isAlive }] of this.#nodes) {
      const held = holdings.get(node);
      for (const [id, entry] of entries) {
        if (held?.has(id) === true) continue;
        const untilMs = Math.min(entry.untilMs, doubtMs ?? NEVER);
        // What was in doubt before still is.
        const isBelieved = isAlive && (doubtMs !== null || (node !== NO_NODE && untilMs !== NEVER));
        if (isBelieved) this.#end(entry, untilMs);
        else this.remove(node, id);
      }
    }
  }

  /** A node has come or is gone: from now on its users count, or do not. */
  turn(node: string, isAlive: boolean, nowMs: number): void {
    const users = this.#nodes.get(node);
    if (users === undefined || users.isAlive === isAlive) return;
    users.isAlive = isAlive;
    users.reapAtMs = nowMs + this.#options.reapAfterMs;
    for (const [id, { user }] of users.entries) {
      if (isAlive) this.#count(id, user);
      else this.#discount(id);
    }
  }

  /** Takes out what has ended. Ids of those who were held for no node any longer: the store has them still. */
  sweep(nowMs: number): string[] {
    const ended: string[] = [];
    if (nowMs < this.#nextEndMs) return ended;
    this.#nextEndMs = NEVER;
    for (const [node, { entries }] of this.#nodes) {
      for (const [id, { untilMs }] of entries) {
        if (untilMs > nowMs) {
          this.#nextEndMs = Math.min(this.#nextEndMs, untilMs);
          continue;
        }
        this.remove(node, id);
        if (node === NO_NODE) ended.push(id);
      }
    }
    return ended;
  }

  /** Nodes that have been dead for long, with up to `limit` of their users: each is named again after as long. */
  reapable(nowMs: number, limit: number): { node: string; ids: string[] }[] {
    const due: { node: string; ids: string[] }[] = [];
    for (const [node, users] of this.#nodes) {
      if (users.isAlive || users.reapAtMs > nowMs) continue;
      due.push({ node, ids: [...users.entries.keys()].slice(0, limit) });
      // Once they are out of the store, its channel tells: what is left then is due at once.
      users.reapAtMs = users.entries.size > limit ? nowMs : nowMs + this.#options.reapAfterMs;
    }
    return due;
  }

  #node(node: string, nowMs: number): NodeUsers {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const users = { isAlive: this.counts(node), reapAtMs: nowMs + this.#options.reapAfterMs, entries: new Map() };
    this.#nodes.set(node, users);
    return users;
  }

  #end(entry: Entry, untilMs: number): void {
    entry.untilMs = untilMs;
    this.#nextEndMs = Math.min(this.#nextEndMs, untilMs);
  }

  #count(id: string, user: WireUser): void {
    const known = this.#users.get(id);
    if (known === undefined) this.#users.set(id, { user, nodes: 1 });
    else known.nodes += 1;
    this.#listener.came(id, user);
  }

  #discount(id: string): void {
    const known = this.#users.get(id);
    if (known === undefined) return;
    known.nodes -= 1;
    if (known.nodes > 0) return;
    this.#users.delete(id);
    this.#listener.went(id);
  }
}
