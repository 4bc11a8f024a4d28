import { ProtocolError } from "../protocol/codes.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import type { Joined, ServerFrame } from "../protocol/server-frames.ts";
import { replyTo } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import { placeOf, roomTopic } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";
import { actionsGrantedBy, Grants } from "./grants.ts";
import { principalOf } from "./guards.ts";
import type { Hub } from "./hub.ts";
import { joinWhenAllowed } from "./join.ts";

/** Joining and leaving topics: rooms by their slug, conversations by their id, every topic by its name. */

export function joinRoom(hub: Hub, connection: Connection, frame: ClientFrame<"join_room">): void | Promise<void> {
  const { id, roomSlug, recover } = frame;
  const answer = (joined: Joined): ServerFrame => ({
    type: "room_joined",
    roomSlug,
    message: `Joined room ${roomSlug}`,
    ...joined,
  });
  return joinWhenAllowed(hub, connection, { topic: roomTopic(roomSlug), id, recover, answer });
}

export function subscribe(hub: Hub, connection: Connection, frame: ClientFrame<"subscribe">): void | Promise<void> {
  const { id, topic, token, recover } = frame;
  const answer = (joined: Joined): ServerFrame => ({ type: "subscribed", ...placeOf(topic), ...joined });
  const join = (): void | Promise<void> => joinWhenAllowed(hub, connection, { topic, id, recover, answer });
  if (token === undefined) return join();
  const granted = grantBy(hub, connection, token, topic);
  return granted === undefined ? join() : granted.then(join);
}

export function subscribeConversation(
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<"subscribe_conversation">,
): void | Promise<void> {
  const { id, conversation_id, recover } = frame;
  const topic = `conversation:${conversation_id}`;
  const answer = (joined: Joined): ServerFrame => ({ type: "subscribed", topic, conversation_id, ...joined });
  return joinWhenAllowed(hub, connection, { topic, id, recover, answer });
}

export function leaveRoom(hub: Hub, connection: Connection, frame: ClientFrame<"leave_room">): void {
  leave(hub, connection, roomTopic(frame.roomSlug));
  connection.send({ type: "room_left", ...replyTo(frame), roomSlug: frame.roomSlug, timestamp: hub.clock.now() });
}

export function unsubscribe(hub: Hub, connection: Connection, frame: ClientFrame<"unsubscribe">): void {
  leave(hub, connection, frame.topic);
  connection.send({
    type: "unsubscribed",
    ...replyTo(frame),
    ...placeOf(frame.topic),
    code: "OK",
    reason: "OK",
    timestamp: hub.clock.now(),
  });
}

function leave(hub: Hub, connection: Connection, topic: string): void {
  hub.leaveTopic(connection, topic);
  connection.grants?.delete(topic);
}

/**
 * What a second token of the same user grants on this one topic, for this connection and until that token ends. Throws or rejects
 * AUTH_FAILED for every token that is not a good one of this user, and TOPIC_LIMIT: nothing is granted then, and nothing ends.
 */
function grantBy(hub: Hub, connection: Connection, token: string, topic: string): void | Promise<void> {
  const grant = (second: Principal): void => {
    const principal = principalOf(connection);
    if (second.id !== principal.id || hub.authenticator.isRefused(second)) throw new ProtocolError("AUTH_FAILED");
    // Where the backend has changed the user's topics, no token says anything about them.
    const actions = actionsGrantedBy(hub.overrides.apply(second), principal, topic, hub.access);
    if (actions.length === 0) return;
    const { clockToleranceS, maxTopicsPerConnection: limit } = hub.options;
    connection.grants ??= new Grants();
    if (connection.grants.size >= limit && !connection.grants.isFor(topic)) {
      throw new ProtocolError("TOPIC_LIMIT", { limit });
    }
    const untilMs = (second.expiresAtMs ?? Number.POSITIVE_INFINITY) + clockToleranceS * 1_000;
    connection.grants.set(topic, actions, untilMs, second);
  };
  const refuse = (error: unknown): never => {
    if (!(error instanceof ProtocolError) || !REFUSALS.has(error.code)) throw error;
    hub.metrics.authentications.add("AUTH_FAILED");
    hub.trail.record("auth.failed", connection, "refused", "AUTH_FAILED", { topic });
    throw new ProtocolError("AUTH_FAILED");
  };
  try {
    const second = hub.authenticator.verify(token, connection.client.key);
    return second instanceof Promise ? second.then(grant).catch(refuse) : grant(second);
  } catch (error) {
    return refuse(error);
  }
}

/** What is wrong with a token makes no difference here. */
const REFUSALS: ReadonlySet<string> = new Set(["AUTH_FAILED", "TOKEN_EXPIRED", "FORBIDDEN"]);
