import type { UnsubscribeCode } from "../protocol/server-frames.ts";
import type { Connection } from "./connection.ts";
import { dropGrants } from "./grants.ts";
import type { Hub } from "./hub.ts";
import { withdrawJoins } from "./waiting-joins.ts";

/** The end of a connection's membership in a topic. */

/** On the client's request; of a topic that it is not in yet nothing is left but that it stays out. */
export function leaveTopic(hub: Hub, connection: Connection, topic: string): void {
  withdrawJoins(connection, topic);
  dropGrants(connection, topic);
  const room = hub.joinedRoom(connection, topic);
  if (room === undefined || connection.principal === null) return;
  hub.rooms.leave(connection, room);
  if (connection.topics.includes(topic)) connection.topics = connection.topics.filter((other) => other !== topic);
  hub.presence.leave(room, connection.principal.id, "announce");
  hub.trail.record("topic.left", connection, "ok", "OK", { topic });
}

/** Takes a connection out of a topic that it may no longer read, and tells it so; false when it was not in it. */
export function removeFromTopic(hub: Hub, connection: Connection, topic: string, code: UnsubscribeCode): boolean {
  const room = hub.joinedRoom(connection, topic);
  if (room === undefined) return false;
  leaveTopic(hub, connection, topic);
  connection.send({ type: "unsubscribed", ...room.place, code, reason: code, timestamp: hub.clock.now() });
  return true;
}
