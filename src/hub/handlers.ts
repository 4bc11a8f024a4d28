import * as v from "valibot";
import type { Position } from "../broker/broker.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { chatBody } from "../protocol/codec.ts";
import type { ClientFrame, ClientFrameType, Joined, ServerFrame } from "../protocol/frames.ts";
import { clientFrames, replyTo } from "../protocol/frames.ts";
import { MAX_CHAT_LENGTH, cleanText } from "../protocol/text.ts";
import { roomTopic, topicOf } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";
import { principalOf, requireAccess, requirePresence, requireRoom } from "./guards.ts";
import { history } from "./history.ts";
import type { Hub } from "./hub.ts";
import { joinTopic } from "./join.ts";
import { refresh } from "./session.ts";

/** What one frame type costs, and does. A new frame type is a schema in `protocol/frames.ts` and a row here. */
export interface Row {
  readonly type: ClientFrameType;
  /** Which of the user's buckets pays. */
  readonly budget: "messages" | "joins" | "free";
  /** Tokens per started 4 KiB. */
  readonly cost: number;
  /** Validates and handles. Returns a promise only when something really waits. */
  run(hub: Hub, connection: Connection, decoded: unknown): void | Promise<void>;
}

type Handle<T extends ClientFrameType> = (
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<T>,
) => void | Promise<void>;

function row<T extends ClientFrameType>(
  type: T,
  budget: Row["budget"],
  cost: number,
  handle: Handle<T>,
): [string, Row] {
  const schema: v.GenericSchema<unknown, ClientFrame<T>> = clientFrames[type];
  return [
    type,
    {
      type,
      budget,
      cost,
      run(hub, connection, decoded) {
        const parsed = v.safeParse(schema, decoded, { abortEarly: true });
        if (!parsed.success) throw new ProtocolError("BAD_MESSAGE");
        return handle(hub, connection, parsed.output);
      },
    },
  ];
}

const ROWS: ReadonlyMap<string, Row> = new Map([
  row("auth", "messages", 1, (hub, connection, frame) => refresh(hub, connection, frame, "auth_success")),
  row("refresh", "messages", 1, (hub, connection, frame) => refresh(hub, connection, frame, "auth_refreshed")),
  row("join_room", "joins", 1, joinRoom),
  row("leave_room", "free", 0, leaveRoom),
  row("chat_message", "messages", 1, chatMessage),
  row("typing", "messages", 1, typing),
  row("presence", "messages", 2, presence),
  row("history", "messages", 2, history),
  row("ping", "messages", 1, (hub, connection, frame) => {
    connection.send({ type: "pong", ...replyTo(frame), timestamp: hub.clock.now() });
  }),
  row("pong", "free", 0, () => undefined),
]);

export function findRow(type: unknown): Row | undefined {
  return typeof type === "string" ? ROWS.get(type) : undefined;
}

function joinRoom(hub: Hub, connection: Connection, frame: ClientFrame<"join_room">): void | Promise<void> {
  const { id, roomSlug, recover } = frame;
  const topic = roomTopic(roomSlug);
  requireAccess(hub, connection, "read", topic);
  const answer = (joined: Joined): ServerFrame => ({
    type: "room_joined",
    roomSlug,
    message: `Joined room ${roomSlug}`,
    ...joined,
  });
  return joinTopic(hub, connection, principalOf(connection), { topic, id, recover, answer });
}

function leaveRoom(hub: Hub, connection: Connection, frame: ClientFrame<"leave_room">): void {
  const topic = roomTopic(frame.roomSlug);
  hub.leaveTopic(connection, topic);
  connection.send({ type: "room_left", ...replyTo(frame), roomSlug: frame.roomSlug, timestamp: hub.clock.now() });
}

function chatMessage(hub: Hub, connection: Connection, frame: ClientFrame<"chat_message">): void | Promise<void> {
  const room = requireRoom(connection, frame.roomSlug);
  const message = cleanText(frame.message);
  if (message === "") throw new ProtocolError("BAD_MESSAGE");
  if (message.length > MAX_CHAT_LENGTH) {
    throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: MAX_CHAT_LENGTH, actual: message.length });
  }
  const sender = principalOf(connection);
  const timestamp = hub.clock.now();
  const messageId = frame.messageId ?? newMessageId();
  const body = chatBody({
    type: "new_message",
    timestamp,
    roomSlug: frame.roomSlug,
    data: {
      slug: messageId,
      chatRoomSlug: frame.roomSlug,
      userSlug: sender.id,
      username: sender.username,
      messageType: "TEXT",
      message,
      createdAt: hub.isoTime.of(timestamp),
    },
  });
  const identity =
    frame.messageId === undefined ? null : { userId: sender.id, messageId: frame.messageId, payload: message };
  const position = hub.publish(room, body, identity);
  if (position instanceof Promise) {
    return position.then((known) => acknowledge(hub, connection, frame, messageId, known));
  }
  return acknowledge(hub, connection, frame, messageId, position);
}

function acknowledge(
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<"chat_message">,
  messageId: string,
  position: Position,
): void {
  if (connection.state === "gone") return;
  connection.send({
    type: "message_sent",
    ...replyTo(frame),
    messageId,
    roomSlug: frame.roomSlug,
    offset: position.offset,
    epoch: position.epoch,
    timestamp: hub.clock.now(),
  });
}

function typing(hub: Hub, connection: Connection, frame: ClientFrame<"typing">): void {
  const room = requirePresence(hub, connection, topicOf(frame));
  const { wireId, username, id } = principalOf(connection);
  if (!hub.presence.shouldTellTyping(room, id, frame.isTyping)) return;
  hub.rooms.announceToOthers(connection, room, {
    type: "typing",
    ...room.place,
    userId: wireId,
    username,
    isTyping: frame.isTyping,
    timestamp: hub.clock.now(),
  });
}

function presence(hub: Hub, connection: Connection, frame: ClientFrame<"presence">): void {
  const room = requirePresence(hub, connection, topicOf(frame));
  connection.send({
    type: "presence_state",
    ...replyTo(frame),
    ...room.place,
    ...hub.presence.page(room, frame.after),
    userCount: hub.presence.count(room),
    timestamp: hub.clock.now(),
  });
}

/** 16 random bytes as 22 characters of base64url (RFC 4648 section 5). */
function newMessageId(): string {
  return `srv_${Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url")}`;
}
