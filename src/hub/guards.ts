import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import type { Room } from "./rooms.ts";
import { isAllowed, type Request } from "./permission.ts";

/** What has to hold before a frame is handled. Each throws the error that the client gets. */

export function principalOf(connection: Connection): Principal {
  if (connection.principal === null) throw new ProtocolError("AUTH_REQUIRED");
  return connection.principal;
}

/**
 * A promise only while the authorizer is asked: the connection's later frames wait. Throws or rejects FORBIDDEN, and NOT_A_MEMBER
 * where the connection could be one. Of a connection that has ended meanwhile nothing is done any more.
 */
export function requireAccess(hub: Hub, connection: Connection, action: Request, topic: string): void | Promise<void> {
  const isGranted = isAllowed(hub, connection, action, topic);
  if (isGranted instanceof Promise) {
    return isGranted.then((known) => {
      if (connection.state === "gone") throw new ProtocolError("AUTH_REQUIRED");
      return known ? undefined : deny(hub, connection, topic);
    });
  }
  if (isGranted) return;
  const isForMembers = hub.access.may(principalOf(connection), action, topic) === "members";
  if (isForMembers && couldJoin(hub, connection, topic)) throw new ProtocolError("NOT_A_MEMBER");
  deny(hub, connection, topic);
}

/** Who could not would learn from NOT_A_MEMBER that there is such a namespace. */
function couldJoin(hub: Hub, connection: Connection, topic: string): boolean {
  const decision = hub.access.may(principalOf(connection), "read", topic);
  return decision === "yes" || (decision === "ask" && hub.authorizer !== null);
}

/** Of the few rooms that a connection is in, so that a message needs no look-up by a name that is made for it. */
export function requireRoom(connection: Connection, slug: string): Room {
  for (const room of connection.rooms) {
    if (room.slug === slug) return room;
  }
  throw new ProtocolError("NOT_A_MEMBER");
}

/** Typing is for members, where users are announced at all. */
export function requireMembership(hub: Hub, connection: Connection, topic: string): Room {
  const room = hub.joinedRoom(connection, topic);
  if (!hub.access.hasPresence(topic) || (room === undefined && !couldJoin(hub, connection, topic))) {
    deny(hub, connection, topic);
  }
  if (room === undefined) throw new ProtocolError("NOT_A_MEMBER");
  return room;
}

function deny(hub: Hub, connection: Connection, topic: string): never {
  hub.trail.record("access.denied", connection, "refused", "FORBIDDEN", { topic });
  throw new ProtocolError("FORBIDDEN");
}
