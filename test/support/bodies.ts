import { chatBody, eventBody, type MessageBody } from "../../src/protocol/codec.ts";
import { placeOf } from "../../src/protocol/topic.ts";

/** Messages as the broker takes them, which nobody has to have sent as a client. */

export function eventFor(topic: string, type: string, data: unknown = null): MessageBody {
  return eventBody({ type, timestamp: 0, ...placeOf(topic), messageId: "m" }, JSON.stringify(data));
}

/** `padding` makes it so many bytes longer. */
export function chatFor(roomSlug: string, message: string, padding = 0): MessageBody {
  const sender = { userSlug: "eve", username: "e".repeat(padding) };
  const createdAt = new Date(0).toISOString();
  const data = { slug: "m", chatRoomSlug: roomSlug, ...sender, messageType: "TEXT", message, createdAt } as const;
  return chatBody({ type: "new_message", timestamp: 0, roomSlug, data });
}
