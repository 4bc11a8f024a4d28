import type { ClientFrame } from "../protocol/frames.ts";
import type { Joined, ServerFrame } from "../protocol/server-frames.ts";
import { replyTo } from "../protocol/frames.ts";
import { placeOf, roomTopic } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { requestJoin } from "./join.ts";
import { leaveTopic } from "./membership.ts";
import { joinWithToken } from "./subscribe-token.ts";

/** Joining and leaving topics: rooms by their slug, conversations by their id, every topic by its name. */

export function joinRoom(hub: Hub, connection: Connection, frame: ClientFrame<"join_room">): void | Promise<void> {
  const { id, roomSlug, recover } = frame;
  const answer = (joined: Joined): ServerFrame => ({
    type: "room_joined",
    roomSlug,
    message: `Joined room ${roomSlug}`,
    ...joined,
  });
  return requestJoin(hub, connection, { topic: roomTopic(roomSlug), id, recover, answer });
}

export function subscribe(hub: Hub, connection: Connection, frame: ClientFrame<"subscribe">): void | Promise<void> {
  const { id, topic, token, recover } = frame;
  const answer = (joined: Joined): ServerFrame => ({ type: "subscribed", ...placeOf(topic), ...joined });
  const join = (): void | Promise<void> => requestJoin(hub, connection, { topic, id, recover, answer });
  return token === undefined ? join() : joinWithToken(hub, connection, token, topic, join);
}

export function subscribeConversation(
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<"subscribe_conversation">,
): void | Promise<void> {
  const { id, conversation_id, recover } = frame;
  const topic = `conversation:${conversation_id}`;
  const answer = (joined: Joined): ServerFrame => ({ type: "subscribed", topic, conversation_id, ...joined });
  return requestJoin(hub, connection, { topic, id, recover, answer });
}

export function leaveRoom(hub: Hub, connection: Connection, frame: ClientFrame<"leave_room">): void {
  leaveTopic(hub, connection, roomTopic(frame.roomSlug));
  connection.send({ type: "room_left", ...replyTo(frame), roomSlug: frame.roomSlug, timestamp: hub.clock.now() });
}

export function unsubscribe(hub: Hub, connection: Connection, frame: ClientFrame<"unsubscribe">): void {
  leaveTopic(hub, connection, frame.topic);
  connection.send({
    type: "unsubscribed",
    ...replyTo(frame),
    ...placeOf(frame.topic),
    code: "OK",
    reason: "OK",
    timestamp: hub.clock.now(),
  });
}
