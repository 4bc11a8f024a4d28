import type { PermissionStore } from "../broker/broker.ts";
import type { PermissionChange, Principal } from "../protocol/principal.ts";

/** What the holders of tokens may do, where the backend has changed it. */
export class Overrides {
  readonly #changes: Pick<PermissionStore, "find" | "size">;
  /** A user's connections with one token share one principal, here as without a change. */
  readonly #effective = new WeakMap<PermissionChange, WeakMap<Principal, Principal>>();

  constructor(changes: Pick<PermissionStore, "find" | "size">) {
    this.#changes = changes;
  }

  /** What the holder of a token may do: the same object until something changes, and the token's own where nothing did. */
  apply(bearer: Principal): Principal {
    if (this.#changes.size === 0) return bearer;
    const change = this.#changes.find(bearer.id);
    if (change === null) return bearer;
    const ofChange = this.#effective.get(change) ?? new WeakMap<Principal, Principal>();
    const known = ofChange.get(bearer);
    if (known !== undefined) return known;
    const effective = Object.freeze({
      ...bearer,
      roles: change.roles ?? bearer.roles,
      permissions: change.permissions ?? bearer.permissions,
      topics: change.topics ?? bearer.topics,
    });
    this.#effective.set(change, ofChange.set(bearer, effective));
    return effective;
  }
}
