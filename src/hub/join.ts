import type { Position } from "../broker/broker.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { FrameId } from "../protocol/frames.ts";
import type { Joined, ServerFrame } from "../protocol/server-frames.ts";
import { replyTo } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import { catchUp, heldInRoom, holdOwn } from "./catch-up.ts";
import type { Connection } from "./connection.ts";
import { principalOf, requireAccess } from "./guards.ts";
import type { Hub } from "./hub.ts";
import { afterRelief } from "./pacing.ts";
import { freshStart, type Recovery, recoveryOf } from "./recovery.ts";
import { automaticTopicsOf, isOwnTopic } from "./session.ts";
import { type Withdrawable, whileWaiting } from "./waiting-joins.ts";

/** A request to be a member of a topic that the user may read. */
export interface Join extends Withdrawable {
  readonly id: FrameId | undefined;
  /** The position after which the client has missed messages. */
  readonly recover: Position | undefined;
  /** The answer of this kind of join, around what all of them say. */
  readonly answer: (joined: Joined) => ServerFrame;
  /** By whom nobody waits for an answer: whoever is a member by then is told nothing. */
  readonly isUnasked?: boolean;
}

/** A client's request. Throws or rejects FORBIDDEN, NOT_A_MEMBER, TOPIC_LIMIT, UNAVAILABLE. */
export function requestJoin(hub: Hub, connection: Connection, join: Join): void | Promise<void> {
  return whileWaiting(connection, join, () => joinWhenAllowed(hub, connection, join));
}

function joinWhenAllowed(hub: Hub, connection: Connection, join: Join): void | Promise<void> {
  const principal = principalOf(connection);
  const asked = requireAccess(hub, connection, "read", join.topic);
  if (asked === undefined) return joinTopic(hub, connection, principal, join);
  return asked.then(() => {
    // Between the answer and here the user's permissions may have changed, and nobody checks a topic again that is joined behind that.
    const isSame = connection.principal === principal;
    return isSame ? joinTopic(hub, connection, principal, join) : joinWhenAllowed(hub, connection, join);
  });
}

/**
 * Joining a joined topic answers again, with what was missed too, and announces nobody; so does the user's own topic, which every one of its
 * connections receives anyway. Throws TOPIC_LIMIT; rejects like `joinWhenAllowed` when the broker was asked and the topic may not be read any more.
 */
export function joinTopic(hub: Hub, connection: Connection, principal: Principal, join: Join): void | Promise<void> {
  const { topic, recover } = join;
  const isNew = requirePlace(hub, connection, principal, topic);
  const opening = isNew && hub.access.hasPresence(topic) ? hub.presence.open(topic) : undefined;
  if (opening !== undefined) {
    return opening.then(() => (connection.state === "gone" ? undefined : joinWhenAllowed(hub, connection, join)));
  }
  let isLater = false;
  const entering = hub.broker.enter([{ topic, since: recover ?? null }], ([history]) => {
    if (history === undefined) return;
    const recovery = recover === undefined ? freshStart(history) : recoveryOf(history);
    if (isLater) return finishLater(hub, connection, join, recovery);
    return finishJoin(hub, connection, principal, join, recovery);
  });
  isLater = true;
  return entering;
}

/** While the broker was asked, the user's permissions may have changed, or a grant may have ended: what may be read now decides. */
function finishLater(hub: Hub, connection: Connection, join: Join, recovery: Recovery): void | Promise<void> {
  if (connection.state === "gone") return;
  const asked = requireAccess(hub, connection, "read", join.topic);
  // Another wait: the topic has gone on meanwhile.
  if (asked !== undefined) return asked.then(() => joinTopic(hub, connection, principalOf(connection), join));
  requirePlace(hub, connection, principalOf(connection), join.topic);
  return finishJoin(hub, connection, principalOf(connection), join, recovery);
}

/** Whether the topic would be one more for the connection. Throws TOPIC_LIMIT when there is no place for it. */
function requirePlace(hub: Hub, connection: Connection, principal: Principal, topic: string): boolean {
  const { maxTopicsPerConnection: limit } = hub.options;
  const isNew = !isOwnTopic(principal, topic) && hub.joinedRoom(connection, topic) === undefined;
  if (isNew && isFull(connection, principal, limit)) throw new ProtocolError("TOPIC_LIMIT", { limit });
  return isNew;
}

/** Topics that it receives without asking do not count, whether or not it has left them. */
function isFull(connection: Connection, principal: Principal, limit: number): boolean {
  if (connection.rooms.length < limit) return false;
  const automatic = new Set([...automaticTopicsOf(principal), ...connection.topics]);
  return connection.rooms.filter((room) => !automatic.has(room.topic)).length >= limit;
}

/** In one step: the others hear of the joiner, the joiner gets the answer, and live messages go on behind that position. */
function finishJoin(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  join: Join,
  recovery: Recovery,
): void | Promise<void> {
  const { topic } = join;
  if (connection.state === "gone") return;
  if (join.isWithdrawn === true) throw new ProtocolError("FORBIDDEN");
  if (isOwnTopic(principal, topic)) return answerOwn(hub, connection, join, recovery);
  const room = hub.rooms.open(topic);
  const isMember = connection.rooms.includes(room);
  if (isMember && join.isUnasked === true) return;
  const hasPresence = hub.access.hasPresence(topic);
  if (!isMember && hasPresence) hub.presence.join(room, principal);
  answer(hub, connection, join, recovery, hasPresence ? hub.presence.count(room) : null);

  const rest = recovery.parts.slice(1);
  const isLive = rest.length === 0;
  if (!isMember) {
    hub.rooms.join(connection, room, isLive);
    hub.trail.record("topic.joined", connection, "ok", "OK", { topic });
  } else if (!isLive) {
    hub.rooms.hold(connection, room);
  }
  if (isLive) return recovery.wasRecovering ? afterRelief(hub, connection) : undefined;
  return catchUp(hub, connection, { topic, stream: heldInRoom(hub, connection, room), rest, position: recovery });
}

/** The user's own topic: received anyway, and nobody hears of it. */
function answerOwn(hub: Hub, connection: Connection, join: Join, recovery: Recovery): void | Promise<void> {
  answer(hub, connection, join, recovery, null);
  const rest = recovery.parts.slice(1);
  if (rest.length === 0) return recovery.wasRecovering ? afterRelief(hub, connection) : undefined;
  return catchUp(hub, connection, { topic: join.topic, stream: holdOwn(connection), rest, position: recovery });
}

function answer(hub: Hub, connection: Connection, join: Join, recovery: Recovery, userCount: number | null): void {
  const { offset, epoch, wasRecovering, recovered, parts } = recovery;
  const [first] = parts;
  const frame = join.answer({
    ...replyTo(join),
    ...(userCount !== null && { userCount }),
    offset,
    epoch,
    ...(wasRecovering && { wasRecovering, recovered }),
    timestamp: hub.clock.now(),
  });
  if (first === undefined) connection.send(frame);
  else connection.sendWith(frame, hub.answers.messages(join.topic, connection.codec, first));
}
