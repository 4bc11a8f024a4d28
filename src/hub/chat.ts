import type { Position } from "../broker/broker.ts";
import { chatBody } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import { replyTo } from "../protocol/frames.ts";
import { cleanText, MAX_CHAT_LENGTH } from "../protocol/text.ts";
import type { Connection } from "./connection.ts";
import { principalOf, requireAccess, requireRoom } from "./guards.ts";
import type { Hub } from "./hub.ts";
import { newMessageId } from "./publishing.ts";
import type { Room } from "./rooms.ts";

type ChatFrame = ClientFrame<"chat_message">;

/** The frame `chat_message`. */
export function chatMessage(hub: Hub, connection: Connection, frame: ChatFrame): void | Promise<void> {
  const room = requireRoom(connection, frame.roomSlug);
  if (room.isOpenToMembers) return send(hub, connection, room, frame);
  const asked = requireAccess(hub, connection, "write", room.topic);
  if (asked === undefined) return send(hub, connection, room, frame);
  // It may have been taken out of the room meanwhile.
  return asked.then(() => send(hub, connection, requireRoom(connection, frame.roomSlug), frame));
}

function send(hub: Hub, connection: Connection, room: Room, frame: ChatFrame): void | Promise<void> {
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
  const position = hub.publish(room.topic, body, identity, room.keepsHistory);
  if (position instanceof Promise) {
    return position.then((known) => acknowledge(hub, connection, frame, messageId, known));
  }
  return acknowledge(hub, connection, frame, messageId, position);
}

function acknowledge(hub: Hub, connection: Connection, frame: ChatFrame, messageId: string, position: Position): void {
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
