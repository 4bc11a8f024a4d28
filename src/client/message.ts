import { type Frame, isObject, positionOf, type User } from "./frame.ts";
import type { Position } from "./position.ts";

/** A message of a topic, with its position. */
export interface Message extends Position {
  /** The name of the event; `new_message` for the chat messages of rooms. */
  readonly event: string;
  /** Of chat messages what was said, else undefined. Show it as text, not as HTML. */
  readonly text: string | undefined;
  /** What was published; of chat messages the fields of the wire. */
  readonly data: unknown;
  readonly messageId: string;
  /** Undefined when the backend published. */
  readonly from: User | undefined;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** It was missed and has been got later. */
  readonly isRecovered: boolean;
}

interface Chat {
  readonly slug: string;
  readonly userSlug: string;
  readonly username: string;
  readonly message: string;
}

/** Null when it is none. */
export function messageOf(frame: Frame, isRecovered: boolean): Message | null {
  const position = positionOf(frame);
  if (!position) return null;
  const { type: event, data, timestamp, messageId, from } = frame;
  const message = { ...position, event, data, timestamp, isRecovered };
  if (event !== "new_message") return messageId ? { ...message, text: undefined, messageId, from } : null;
  if (!isObject<Chat>(data)) return null;
  const { userSlug: userId, username, message: text, slug } = data;
  return { ...message, text, messageId: slug, from: { userId, username } };
}

export function messagesOf({ messages = [] }: Frame): Message[] {
  return messages.flatMap((frame) => messageOf(frame, true) ?? []);
}
