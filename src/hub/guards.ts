import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import type { Room } from "./rooms.ts";
import { isOwnTopic } from "./session.ts";

/** What has to hold before a frame is handled. Each throws the error that the client gets. */

export function principalOf(connection: Connection): Principal {
  if (connection.principal === null) throw new ProtocolError("AUTH_REQUIRED");
  return connection.principal;
}

export function requireAccess(hub: Hub, connection: Connection, action: "read", topic: string): void {
  const startedMs = hub.clock.monotonic();
  const decision = hub.access.may(principalOf(connection), action, topic);
  hub.metrics.permissionCheck.observe((hub.clock.monotonic() - startedMs) / 1_000);
  if (decision !== "yes") deny(hub, connection, topic);
}

/** Of the few rooms that a connection is in, so that a message needs no look-up by a name that is made for it. */
export function requireRoom(connection: Connection, slug: string): Room {
  for (const room of connection.rooms) {
    if (room.slug === slug) return room;
  }
  throw new ProtocolError("NOT_A_MEMBER");
}

/** A member is not enough where nobody is announced: automatic topics have members too. */
export function requirePresence(hub: Hub, connection: Connection, topic: string): Room {
  if (!hub.access.hasPresence(topic)) deny(hub, connection, topic);
  const room = hub.joinedRoom(connection, topic);
  if (room === undefined) throw new ProtocolError("NOT_A_MEMBER");
  return room;
}

/** The topic has a history, and the connection is in it: of the user's own topic every connection is. */
export function requireHistory(hub: Hub, connection: Connection, topic: string): void {
  if (!hub.access.hasHistory(topic)) deny(hub, connection, topic);
  if (isOwnTopic(principalOf(connection), topic) || hub.joinedRoom(connection, topic) !== undefined) return;
  throw new ProtocolError("NOT_A_MEMBER");
}

function deny(hub: Hub, connection: Connection, topic: string): never {
  hub.trail.record("access.denied", connection, "refused", "FORBIDDEN", { topic });
  throw new ProtocolError("FORBIDDEN");
}
