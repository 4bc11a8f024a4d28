import type { ChangedElsewhere } from "../broker/broker.ts";
import type { PermissionChange } from "../protocol/principal.ts";
import { type Actor, NODE } from "./audit-trail.ts";
import type { Hub } from "./hub.ts";
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
 * passed. The answer is a promise only while the authorizer is asked, or a store that nodes share. Throws or rejects OVERLOADED when too many users
 * have changed permissions, UNAVAILABLE when nobody says that the order was taken: when it was, it is carried out as those of other nodes are.
 */
export function setPermissions(
  hub: Hub,
  userId: string,
  change: PermissionChange,
  actor: Actor,
): Reach | Promise<Reach> {
  const kept = hub.permissions.set(userId, change);
  return kept instanceof Promise
    ? kept.then(() => settle(hub, userId, "set", actor))
    : settle(hub, userId, "set", actor);
}

/** From its return on the user may do again what its tokens say. Throws or rejects as `setPermissions`, without OVERLOADED. */
export function clearPermissions(hub: Hub, userId: string, actor: Actor): Reach | Promise<Reach> {
  const kept = hub.permissions.clear(userId);
  return kept instanceof Promise
    ? kept.then(() => settle(hub, userId, "cleared", actor))
    : settle(hub, userId, "cleared", actor);
}

/** The part of this node in what others ordered: their store has told the one here already. */
export function permissionsChangedElsewhere(hub: Hub, changed: readonly ChangedElsewhere[]): void {
  for (const { userId, change, node } of changed) settleLater(hub, userId, change, { orderedOn: node });
}

/** Ends the changes that have held for a day. */
export function sweepPermissions(hub: Hub): void {
  for (const userId of hub.permissions.sweep()) settleLater(hub, userId, "ended");
}

type Change = "set" | "cleared" | "ended";

/** Nobody waits for it. */
function settleLater(hub: Hub, userId: string, change: Change, about: Readonly<Record<string, string>> = {}): void {
  const settled = settle(hub, userId, change, NODE, about);
  if (settled instanceof Promise) settled.catch((error: unknown) => hub.report(error, crypto.randomUUID()));
}

function settle(
  hub: Hub,
  userId: string,
  change: Change,
  actor: Actor,
  about: Readonly<Record<string, string>> = {},
): Reach | Promise<Reach> {
  const reached = recheckUser(hub, userId);
  const audit = (reach: Reach): Reach => {
    // `lost` is the audit's own name, for records that are missing.
    const { connections, lost: topicsLost } = reach;
    hub.trail.commanded("permissions.changed", actor, { ofUser: userId, change, connections, topicsLost, ...about });
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
