import * as v from "valibot";
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
