import * as v from "valibot";
import type { Clock } from "../observe/clock.ts";
import type { PermissionChange } from "../protocol/principal.ts";
import { isId } from "../protocol/topic.ts";
import type { ChangedElsewhere, PermissionStore } from "./broker.ts";
import { MAX_CHANGED_USERS, PERMISSION_LIFE_MS } from "./memory-permissions.ts";
import type { RedisLink } from "./redis/link.ts";
import { type Copy, type Kept, Register, type Taken } from "./redis/register.ts";
import type { Draft, Entry } from "./redis/register-keys.ts";
import { decodedJson } from "./redis/stored-json.ts";
import { changeSchema, pairsOf } from "./redis/stored-principal.ts";

/** Looked at in one sweep. */
const SWEPT_AT_ONCE = 2_000;

const schema = v.object({
  /** Null: taken back. */
  change: v.nullable(changeSchema),
  untilMs: v.pipe(v.number(), v.safeInteger()),
  node: v.pipe(v.string(), v.maxLength(256)),
});

interface Known extends v.InferOutput<typeof schema> {
  readonly version: number;
  readonly text: string;
}

export interface RedisPermissionsPorts {
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly onChanged: (changed: readonly ChangedElsewhere[]) => void;
  readonly report: (fields: Readonly<Record<string, string | number>>) => void;
}

/** The changed permissions of all nodes, in a Redis, with a copy here. Of two orders about a user the later one holds. */
export class RedisPermissions implements PermissionStore, Copy<ChangedElsewhere> {
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #maxUsers: number;
  readonly #register: Register<ChangedElsewhere>;
  readonly #changed = new Map<string, Known>();
  /** For as long as what was taken back could come back from somewhere. */
  readonly #cleared = new Map<string, Known>();
  /** Where the next sweep goes on. */
  #walk = this.#all();

  constructor({ link, clock, nodeId, onChanged, report }: RedisPermissionsPorts, maxUsers = MAX_CHANGED_USERS) {
    this.#clock = clock;
    this.#nodeId = nodeId;
    this.#maxUsers = maxUsers;
    this.#register = new Register({
      ...{ link, clock, name: "permissions", most: maxUsers, copy: this, onNews: onChanged, report },
    });
  }

  get size(): number {
    return this.#changed.size;
  }

  get ready(): boolean {
    return this.#register.ready;
  }

  /** Entries that no node has made. */
  get rejected(): number {
    return this.#register.skipped;
  }

  start(): Promise<void> {
    return this.#register.start();
  }

  set(userId: string, change: PermissionChange): Promise<void> {
    return this.#register.change(userId, "*", () => this.#draftOf(change));
  }

  clear(userId: string): Promise<void> {
    // What is not in Redis may be in the copies: an order that nobody knows of is no reason to remember it.
    return this.#register.change(userId, this.#changed.has(userId) ? "*" : "+", () => this.#draftOf(null));
  }

  find(userId: string): PermissionChange | null {
    const known = this.#changed.get(userId);
    return known === undefined || this.#isOver(known) ? null : known.change;
  }

  sweep(): readonly string[] {
    this.#register.sweep();
    const ended: string[] = [];
    for (let seen = 0; seen < SWEPT_AT_ONCE; seen += 1) {
      const next = this.#walk.next();
      if (next.done === true) {
        this.#walk = this.#all();
        break;
      }
      const [userId, known] = next.value;
      if (!this.#isOver(known)) continue;
      this.#cleared.delete(userId);
      if (this.#changed.delete(userId)) ended.push(userId);
    }
    return ended;
  }

  take({ field: userId, text, version }: Entry): Taken<ChangedElsewhere> | null {
    const known = this.#changed.get(userId) ?? this.#cleared.get(userId);
    if (known?.version === version) return { news: null, better: null };
    const stored = isId(userId) ? decodedJson(schema, text) : null;
    if (stored === null) return null;
    // A Redis that took over has lost the newer order.
    if (known !== undefined && known.version > version) return { news: null, better: keep(userId, known) };
    if (this.#isOver(stored)) return { news: null, better: null };
    const now = { ...stored, version, text };
    const isNews = now.change === null ? this.#clear(userId, now) : this.#set(userId, now);
    if (isNews === null) return null;
    const change = stored.change === null ? "cleared" : "set";
    return { news: isNews ? { userId, change, node: stored.node } : null, better: null };
  }

  /** Null when there is no room. Redis has a bound of its own; here what has ended takes a place until it is swept. */
  #set(userId: string, now: Known): true | null {
    if (!this.#changed.has(userId) && this.#changed.size >= 2 * this.#maxUsers) return null;
    this.#cleared.delete(userId);
    this.#changed.set(userId, now);
    return true;
  }

  /** Whether it changes anything here. There is always room: the oldest goes, as it does in Redis. */
  #clear(userId: string, now: Known): boolean {
    const [oldest] = this.#cleared.keys();
    if (oldest !== undefined && this.#cleared.size >= this.#maxUsers) this.#cleared.delete(oldest);
    this.#cleared.set(userId, now);
    return this.#changed.delete(userId);
  }

  *kept(): Generator<Kept, void> {
    for (const [userId, known] of this.#all()) if (!this.#isOver(known)) yield keep(userId, known);
  }

  *#all(): Generator<[string, Known], void> {
    yield* this.#changed;
    yield* this.#cleared;
  }

  #draftOf(change: PermissionChange | null): Draft {
    const untilMs = this.#clock.now() + PERMISSION_LIFE_MS;
    const told = change === null ? null : { ...change, topics: pairsOf(change.topics) };
    const text = JSON.stringify({ change: told, untilMs, node: this.#nodeId });
    return { text, state: change === null ? "gone" : "live", endsMs: untilMs };
  }

  #isOver({ untilMs }: { readonly untilMs: number }): boolean {
    return this.#clock.now() >= untilMs;
  }
}

function keep(userId: string, { text, change, untilMs, version }: Known): Kept {
  return {
    field: userId,
    draft: { text, state: change === null ? "gone" : "live", endsMs: untilMs },
    version,
  };
}
