import { count, type Frame, isFrame, isObject, positionOf, text } from "./frame.ts";
import type { Position } from "./position.ts";

export interface User {
  /** A number where the token says a number; of chat messages always text. */
  readonly userId: string | number;
  readonly username: string;
}

/** A message of a topic, with its position. */
export interface Message extends Position {
  /** The name of the event; `new_message` for the chat messages of rooms. */
  readonly event: string;
  /** Of chat messages what was said, else empty. Show it as text, not as HTML. */
  readonly text: string;
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

/** Null when it is none. */
export function messageOf(frame: unknown, isRecovered: boolean): Message | null {
  const position = isFrame(frame) && positionOf(frame);
  if (!position) return null;
  const { type, data, timestamp } = frame;
  const rest = { ...position, event: type, data, timestamp: count(timestamp, 0), isRecovered };
  if (type !== "new_message")
    return { ...rest, text: "", messageId: text(frame["messageId"]), from: userOf(frame["from"]) };
  if (!isObject(data)) return null;
  const from = { userId: text(data["userSlug"]), username: text(data["username"]) };
  return { ...rest, text: text(data["message"]), messageId: text(data["slug"]), from };
}

export function messagesOf({ messages }: Frame, isRecovered: boolean): Message[] {
  if (!Array.isArray(messages)) return [];
  return messages.map((frame: unknown) => messageOf(frame, isRecovered)).filter((message) => message !== null);
}

export function userOf(value: unknown): User | undefined {
  if (!isObject(value)) return undefined;
  const { userId, username } = value;
  return typeof userId === "string" || typeof userId === "number" ? { userId, username: text(username) } : undefined;
}

export function usersOf(value: unknown): User[] {
  return Array.isArray(value) ? value.map(userOf).filter((user) => user !== undefined) : [];
}
