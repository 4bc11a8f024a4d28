import type { Position } from "../broker/broker.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { FrameId } from "../protocol/frames.ts";
import type { Joined, ServerFrame } from "../protocol/server-frames.ts";
import { replyTo } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import { catchUp } from "./catch-up.ts";
import type { Connection } from "./connection.ts";
import { principalOf, requireAccess } from "./guards.ts";
import type { Hub } from "./hub.ts";
import { afterRelief } from "./pacing.ts";
import { freshStart, type Recovery, recoveryOf } from "./recovery.ts";
import { automaticRooms } from "./session.ts";

/** A request to be a member of a topic that the user may read. */
export interface Join {
  readonly topic: string;
  readonly id: FrameId | undefined;
  /** The position after which the client has missed messages. */
  readonly recover: Position | undefined;
  /** The answer of this kind of join, around what all of them say. */
  readonly answer: (joined: Joined) => ServerFrame;
}

/** Throws or rejects FORBIDDEN, NOT_A_MEMBER, TOPIC_LIMIT. */
export function joinWhenAllowed(hub: Hub, connection: Connection, join: Join): void | Promise<void> {
  const go = (): void | Promise<void> => joinTopic(hub, connection, principalOf(connection), join);
  const asked = requireAccess(hub, connection, "read", join.topic);
  return asked === undefined ? go() : asked.then(go);
}

/** Joining a joined topic answers again, with what was missed too, and announces nobody. Throws TOPIC_LIMIT. */
export function joinTopic(hub: Hub, connection: Connection, principal: Principal, join: Join): void | Promise<void> {
  const { topic, recover } = join;
  const { maxTopicsPerConnection: limit } = hub.options;
  const isMember = hub.joinedRoom(connection, topic) !== undefined;
  if (!isMember && connection.rooms.length - automaticRooms(connection, principal) >= limit) {
    throw new ProtocolError("TOPIC_LIMIT", { limit });
  }
  const finish = (recovery: Recovery) => finishJoin(hub, connection, principal, join, recovery);
  if (recover === undefined) {
    const position = hub.broker.position(topic);
    return position instanceof Promise ? position.then(freshStart).then(finish) : finish(freshStart(position));
  }
  const history = hub.broker.history(topic, recover, Number.POSITIVE_INFINITY);
  return history instanceof Promise ? history.then(recoveryOf).then(finish) : finish(recoveryOf(history));
}

/** In one step: the others hear of the joiner, the joiner gets the answer, and live messages go on behind that position. */
function finishJoin(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  join: Join,
  recovery: Recovery,
): void | Promise<void> {
  const { topic, id, answer } = join;
  if (connection.state === "gone") return;
  // The user's permissions have changed while the broker was asked.
  if (connection.principal !== principal) return joinWhenAllowed(hub, connection, join);
  const room = hub.rooms.open(topic);
  const isMember = connection.rooms.includes(room);
  const hasPresence = hub.access.hasPresence(topic);
  if (!isMember && hasPresence) hub.presence.join(room, principal);
  const { offset, epoch, wasRecovering, recovered, parts } = recovery;
  const [first, ...rest] = parts;
  const frame = answer({
    ...replyTo({ id }),
    ...(hasPresence && { userCount: hub.presence.count(room) }),
    offset,
    epoch,
    ...(wasRecovering && { wasRecovering, recovered }),
    timestamp: hub.clock.now(),
  });
  if (first === undefined) connection.send(frame);
  else connection.sendWith(frame, hub.answers.messages(topic, connection.codec, first));

  const isLive = rest.length === 0;
  if (!isMember) {
    hub.rooms.join(connection, room, isLive);
    hub.trail.record("topic.joined", connection, "ok", "OK", { topic });
  } else if (!isLive) {
    hub.rooms.hold(connection, room);
  }
  if (!isLive) return catchUp(hub, connection, { room, rest, position: recovery });
  if (wasRecovering) return afterRelief(hub, connection);
}
