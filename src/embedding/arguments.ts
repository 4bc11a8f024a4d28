import * as v from "valibot";
import { EVENT_FIELDS, isSayable } from "../api/fields.ts";
import { isEventName } from "../protocol/event-name.ts";
import { isId, isTopic } from "../protocol/topic.ts";

/** What an application hands over: a mistake is a `TypeError` at once, and quotes nothing. */

export function idOf(userId: string | number): string {
  const id = String(userId);
  if (!isId(id)) throw new TypeError("a user's id is 1 to 128 of A-Z a-z 0-9 _ . - ~ @ : / | + = % ,");
  return id;
}

export function checked<T>(schema: v.GenericSchema<unknown, T>, input: unknown, problem: string): T {
  const parsed = v.safeParse(schema, input, { abortEarly: true });
  if (!parsed.success) throw new TypeError(problem);
  return parsed.output;
}

export function requireTopic(topic: string): void {
  if (!isTopic(topic)) throw new TypeError("a topic is namespace:name, at most 200 characters");
}

export function requireEvent(event: string): void {
  if (!isEventName(event)) throw new TypeError("an event is [a-z][a-z0-9_.-]{0,63} and no frame of the protocol");
}

export function requireMessageId(messageId: string | undefined): void {
  if (messageId !== undefined && !v.is(EVENT_FIELDS.messageId, messageId))
    throw new TypeError("a `messageId` has 1 to 64 characters");
}

/** As JSON would carry it, so that both framings say the same; nothing is null. Throws a `TypeError` for what clients cannot be sent. */
export function dataOf(data: unknown): unknown {
  const known: unknown = data === undefined ? null : jsonOf(data);
  if (!isSayable(known)) throw new TypeError("an event's `data` holds a value that clients cannot be sent");
  return known;
}

function jsonOf(data: unknown): unknown {
  // Undefined for functions and symbols, whatever its type says.
  const text: string | undefined = JSON.stringify(data);
  return text === undefined ? undefined : JSON.parse(text);
}
