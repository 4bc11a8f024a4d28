import type { Actor } from "./audit-trail.ts";
import type { Hub } from "./hub.ts";
import type { PermissionChange } from "./overrides.ts";
import { recheck } from "./recheck.ts";

/** What the backend changes of a user's permissions (docs/protocol.md, "Revocation and changed permissions"). */

export interface Reach {
  /** Connections of the user on this node, all of which were checked again. */
  readonly connections: number;
  /** Memberships of topics that ended with it. */
  readonly lost: number;
}

/**
 * From its return on the user may do what the change says, on live connections and on later ones, until it is cleared or a day has
 * passed. The answer is a promise only while the authorizer is asked. Throws OVERLOADED when too many users have changed permissions.
 */
export function setPermissions(
  hub: Hub,
  userId: string,
  change: PermissionChange,
  actor: Actor,
): Reach | Promise<Reach> {
  hub.overrides.set(userId, change, hub.clock.monotonic());
  return settle(hub, userId, "set", actor);
}

/** From its return on the user may do again what its tokens say. */
export function clearPermissions(hub: Hub, userId: string, actor: Actor): Reach | Promise<Reach> {
  hub.overrides.delete(userId);
  return settle(hub, userId, "cleared", actor);
}

const AGE: Actor = { by: "node", userId: null, address: null, userAgent: null };

/** Ends the changes that have held for a day. */
export function sweepPermissions(hub: Hub): void {
  for (const userId of hub.overrides.expire(hub.clock.monotonic())) {
    const settled = settle(hub, userId, "ended", AGE);
    if (settled instanceof Promise) settled.catch((error: unknown) => hub.report(error, crypto.randomUUID()));
  }
}

function settle(hub: Hub, userId: string, change: "set" | "cleared" | "ended", actor: Actor): Reach | Promise<Reach> {
  const reached = recheckUser(hub, userId);
  const audit = (reach: Reach): Reach => {
    // `lost` is the audit's own name, for records that are missing.
    const { connections, lost: topicsLost } = reach;
    hub.trail.commanded("permissions.changed", actor, { ofUser: userId, change, connections, topicsLost });
    return reach;
  };
  return reached instanceof Promise ? reached.then(audit) : audit(reached);
}

function recheckUser(hub: Hub, userId: string): Reach | Promise<Reach> {
  const lost: (readonly string[])[] = [];
  const asked: Promise<readonly string[]>[] = [];
  const connections = [...hub.users.connectionsOf(userId)];
  for (const connection of connections) {
    if (connection.bearer === null) continue;
    const topics = recheck(hub, connection, hub.overrides.apply(connection.bearer), "FORBIDDEN");
    if (topics instanceof Promise) asked.push(topics);
    else lost.push(topics);
  }
  const reach = (later: readonly (readonly string[])[]): Reach => {
    return { connections: connections.length, lost: [...lost, ...later].flat().length };
  };
  return asked.length === 0 ? reach([]) : Promise.all(asked).then(reach);
}
