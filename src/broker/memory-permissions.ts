import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { PermissionChange } from "../protocol/principal.ts";
import type { PermissionStore } from "./broker.ts";

/** How long a change holds unless it is taken back. */
export const PERMISSION_LIFE_MS = 86_400_000;
export const MAX_CHANGED_USERS = 100_000;

interface Changed {
  readonly change: PermissionChange;
  /** Monotonic. */
  readonly untilMs: number;
}

/** The changed permissions of one node, in its memory. */
export class MemoryPermissions implements PermissionStore {
  readonly ready = true;
  readonly #maxUsers: number;
  readonly #clock: Clock;
  /** In the order of their ends: all of them hold equally long. */
  readonly #byUser = new Map<string, Changed>();

  constructor(clock: Clock, maxUsers = MAX_CHANGED_USERS) {
    this.#clock = clock;
    this.#maxUsers = maxUsers;
  }

  get size(): number {
    return this.#byUser.size;
  }

  set(userId: string, change: PermissionChange): void {
    const isKnown = this.#byUser.delete(userId);
    if (!isKnown && this.#byUser.size >= this.#maxUsers) throw new ProtocolError("OVERLOADED");
    // A copy: another object for every order, also for one of the same content.
    this.#byUser.set(userId, { change: { ...change }, untilMs: this.#clock.monotonic() + PERMISSION_LIFE_MS });
  }

  clear(userId: string): void {
    this.#byUser.delete(userId);
  }

  find(userId: string): PermissionChange | null {
    const changed = this.#byUser.get(userId);
    return changed === undefined || this.#clock.monotonic() >= changed.untilMs ? null : changed.change;
  }

  sweep(): readonly string[] {
    const nowMs = this.#clock.monotonic();
    const ended: string[] = [];
    for (const [userId, { untilMs }] of this.#byUser) {
      if (nowMs < untilMs) break;
      this.#byUser.delete(userId);
      ended.push(userId);
    }
    return ended;
  }
}
