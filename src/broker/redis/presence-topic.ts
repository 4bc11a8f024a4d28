import type { WireUser } from "../../protocol/server-frames.ts";
import { NO_NODE, type PresenceMirror } from "../presence-mirror.ts";
import { type ChangeMessage, MAX_CHANGES } from "./presence-bus.ts";
import type { PresenceHash } from "./presence-hash.ts";
import type { Snapshot } from "./presence-snapshot.ts";

/** A user who has gone and is held for the others. */
interface Hold {
  readonly user: WireUser;
  readonly holdMs: number;
}

/** Messages that come while the hash is read; with more it is read again. */
const MAX_EARLY = 1_000;
/** Changes of this node that Redis does not know; with more the whole is compared instead. */
const MAX_UNTOLD = 20_000;

const JOBS_PER_WINDOW = 8;

/** What the others are told of a node's users. */
export type Told = Pick<ChangeMessage, "joined" | "left" | "held">;

export interface Batch {
  readonly changes: ReadonlyMap<string, Hold | null>;
  readonly told: Told;
}

/**
 * One topic on this node: who is here, which of that Redis has not been told, and how far the others have been heard. The mirror is right up to
 * `version`; after a hole it is stale until the hash is read again.
 */
export class PresenceTopic {
  readonly hash: PresenceHash;
  readonly mirror: PresenceMirror;
  readonly #self: string;
  readonly #here = new Map<string, WireUser>();
  readonly #untold = new Map<string, Hold | null>();
  #early: ChangeMessage[] | null = null;
  #epoch = "";
  #version = 0;
  #runId = "";
  #windowEndMs = Number.NEGATIVE_INFINITY;
  #jobs = 0;
  isFollowed = false;
  /** Since when nobody follows it, and when it was last read: monotonic milliseconds. */
  idleSinceMs: number;
  readAtMs = Number.NEGATIVE_INFINITY;
  isSubscribed = false;
  isStale = true;
  /** Something is being done for it, or will be when its pause is over. */
  isBusy = false;
  /** Somebody has tried to read it. */
  isTried = false;
  isDropped = false;
  /** The first look while it takes, for those who wait for it. */
  opening: Promise<void> | null = null;

  constructor(hash: PresenceHash, self: string, mirror: PresenceMirror, nowMs: number) {
    this.hash = hash;
    this.#self = self;
    this.mirror = mirror;
    this.idleSinceMs = nowMs;
  }

  /** After a job: how long the next one has to wait. */
  pauseMs(nowMs: number, windowMs: number): number {
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + windowMs;
      this.#jobs = 0;
    }
    this.#jobs += 1;
    return this.#jobs < JOBS_PER_WINDOW ? 0 : this.#windowEndMs - nowMs;
  }

  /** There is something to be done that needs Redis. */
  get isDue(): boolean {
    return this.isStale || this.#untold.size > 0;
  }

  /** There is something that Redis does not know. */
  get hasUntold(): boolean {
    return this.#untold.size > 0;
  }

  /** Nobody would miss it. */
  get isIdle(): boolean {
    return !this.isFollowed && !this.isBusy && this.#here.size === 0 && !this.isDue;
  }

  get isEmptyHere(): boolean {
    return this.#here.size === 0;
  }

  joined(id: string, user: WireUser): void {
    this.#here.set(id, user);
    this.#note(id, null);
    this.mirror.remove(NO_NODE, id);
  }

  left(id: string, user: WireUser, holdMs: number, nowMs: number): void {
    this.#here.delete(id);
    this.#note(id, holdMs > 0 ? { user, holdMs } : null);
    if (holdMs > 0) this.mirror.put(NO_NODE, id, user, nowMs + holdMs, nowMs);
  }

  #note(id: string, hold: Hold | null): void {
    this.#untold.set(id, hold);
    if (this.#untold.size <= MAX_UNTOLD) return;
    this.#untold.clear();
    this.isStale = true;
  }

  /** The next changes, which are no longer untold: `putBack` when they could not be told. */
  take(): Batch {
    const changes = new Map<string, Hold | null>();
    const told: Told = { joined: [], left: [], held: [] };
    for (const [id, hold] of this.#untold) {
      if (changes.size === MAX_CHANGES) break;
      changes.set(id, hold);
      this.#untold.delete(id);
      const user = this.#here.get(id);
      if (user !== undefined) told.joined.push([id, user.userId, user.username]);
      else if (hold === null) told.left.push(id);
      else told.held.push([id, hold.user.userId, hold.user.username, hold.holdMs]);
    }
    return { changes, told };
  }

  putBack({ changes }: Batch): void {
    for (const [id, hold] of changes) if (!this.#untold.has(id)) this.#note(id, hold);
    this.isStale = true;
  }

  /** Until `install` what comes is kept; what came before is in the hash already. */
  startReading(): void {
    this.isStale = false;
    this.#early = [];
  }

  stopReading(): void {
    this.isStale = true;
    this.#early = null;
  }

  /** `doubtMs`: until when users are believed whom Redis has lost, in case it lost something. */
  install(snapshot: Snapshot, runId: string, nowMs: number, doubtMs: number): void {
    const { epoch, version, holdings } = snapshot;
    const isSame = epoch === this.#epoch && version >= this.#version && runId === this.#runId;
    const hasLost = this.#epoch !== "" && !isSame;
    const early = this.#early ?? [];
    this.#early = null;
    this.#epoch = epoch;
    this.#version = version;
    this.#runId = runId;
    this.readAtMs = nowMs;
    this.mirror.replace(holdings, nowMs, hasLost ? doubtMs : null);
    this.#compare(holdings.get(this.#self));
    for (const change of early) this.hear(change, nowMs);
  }

  /** What Redis has of this node against what is true. */
  #compare(stored: ReadonlyMap<string, unknown> | undefined): void {
    for (const id of this.#here.keys()) if (stored?.has(id) !== true) this.#noteMissing(id);
    for (const id of stored?.keys() ?? []) if (!this.#here.has(id)) this.#noteMissing(id);
  }

  #noteMissing(id: string): void {
    if (!this.#untold.has(id)) this.#untold.set(id, null);
  }

  hear(change: ChangeMessage, nowMs: number): void {
    if (this.#early !== null) {
      if (this.#early.push(change) > MAX_EARLY) this.isStale = true;
      if (this.#early.length > MAX_EARLY) this.#early.length = 0;
      return;
    }
    if (this.isStale) return;
    const { epoch, version, node, by } = change;
    const isFirst = this.#epoch === "" && version === 1;
    if (!isFirst && epoch === this.#epoch && version <= this.#version) return;
    if (!isFirst && (epoch !== this.#epoch || version !== this.#version + 1)) {
      this.isStale = true;
      return;
    }
    this.#epoch = epoch;
    this.#version = version;
    // Somebody took this node for dead.
    if (node === this.#self && by !== this.#self) this.isStale = true;
    this.#apply(change, nowMs);
  }

  /** Whoever moves from one place to another is put there first, so that it is never nowhere. */
  #apply({ node, joined, left, held }: ChangeMessage, nowMs: number): void {
    for (const [id, userId, username] of joined) {
      this.mirror.put(node, id, { userId, username }, Number.POSITIVE_INFINITY, nowMs);
      // A node that is not known to live yet does not count: until it does, the hold does.
      if (this.mirror.counts(node)) this.mirror.remove(NO_NODE, id);
    }
    for (const [id, userId, username, holdMs] of held) {
      this.mirror.put(NO_NODE, id, { userId, username }, nowMs + holdMs, nowMs);
      this.mirror.remove(node, id);
    }
    for (const id of left) this.mirror.remove(node, id);
  }
}
