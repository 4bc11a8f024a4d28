import { ProtocolError } from "../protocol/codes.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";

/** What the backend says of a user instead of its tokens; null: as the token says. */
export interface PermissionChange {
  readonly roles: readonly string[] | null;
  readonly permissions: readonly string[] | null;
  /** Topic pattern → actions. */
  readonly topics: ReadonlyMap<string, readonly GrantedAction[]> | null;
}

/** How long a change holds unless it is taken back. */
export const OVERRIDE_TTL_MS = 86_400_000;
const MAX_USERS = 100_000;

interface Override {
  readonly change: PermissionChange;
  /** Monotonic. */
  readonly untilMs: number;
  /** A user's connections with one token share one principal, here as without a change. */
  readonly effective: WeakMap<Principal, Principal>;
}

/** The users whose permissions the backend has changed. */
export class Overrides {
  readonly #maxUsers: number;
  /** In the order of their ends: all of them hold equally long. */
  readonly #byUser = new Map<string, Override>();

  constructor(maxUsers = MAX_USERS) {
    this.#maxUsers = maxUsers;
  }

  get size(): number {
    return this.#byUser.size;
  }

  /** Instead of any earlier change. Throws OVERLOADED when there is no room for another user. */
  set(userId: string, change: PermissionChange, nowMs: number): void {
    const isKnown = this.#byUser.delete(userId);
    if (!isKnown && this.#byUser.size >= this.#maxUsers) throw new ProtocolError("OVERLOADED");
    this.#byUser.set(userId, { change, untilMs: nowMs + OVERRIDE_TTL_MS, effective: new WeakMap() });
  }

  delete(userId: string): void {
    this.#byUser.delete(userId);
  }

  /** What the holder of a token may do: the same object until something changes, and the token's own where nothing did. */
  apply(bearer: Principal): Principal {
    if (this.#byUser.size === 0) return bearer;
    const override = this.#byUser.get(bearer.id);
    if (override === undefined) return bearer;
    const known = override.effective.get(bearer);
    if (known !== undefined) return known;
    const { roles, permissions, topics } = override.change;
    const effective = Object.freeze({
      ...bearer,
      roles: roles ?? bearer.roles,
      permissions: permissions ?? bearer.permissions,
      topics: topics ?? bearer.topics,
    });
    override.effective.set(bearer, effective);
    return effective;
  }

  /** Forgets what has held for its time, and says whose it was. */
  expire(nowMs: number): string[] {
    const ended: string[] = [];
    for (const [userId, { untilMs }] of this.#byUser) {
      if (nowMs < untilMs) break;
      this.#byUser.delete(userId);
      ended.push(userId);
    }
    return ended;
  }
}
