import * as v from "valibot";
import { ID, MAX_TOPIC_LENGTH, ROOM_SLUG, TOPIC } from "./topic.ts";

/** Fields that frames of both directions have, each with its bounds. */

/** Published events (docs/protocol.md, "Published events"); that no frame has the name is checked in `event-name.ts`. */
export const EVENT_NAME = /^[a-z][a-z0-9_.-]{0,63}$/;

/** What a client numbers its frames with, and finds in the answers. */
export const frameId = v.union([v.pipe(v.string(), v.maxLength(64)), v.pipe(v.number(), v.safeInteger())]);
export const roomSlug = v.pipe(v.string(), v.regex(ROOM_SLUG));
export const topic = v.pipe(v.string(), v.maxLength(MAX_TOPIC_LENGTH), v.regex(TOPIC));
/** The id of a user or a conversation. */
export const id = v.union([v.pipe(v.string(), v.regex(ID)), v.pipe(v.number(), v.safeInteger())]);
export const messageId = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Where a topic stands, and behind which message something is missing. */
export const position = { offset: count, epoch: v.pipe(v.string(), v.minLength(1), v.maxLength(64)) };

export interface Place {
  readonly roomSlug?: string | undefined;
  readonly topic?: string | undefined;
}

/** A frame about a topic names a room by `roomSlug` or any topic by `topic`, never both. */
export function namesOnePlace(frame: Place): boolean {
  return (frame.roomSlug === undefined) !== (frame.topic === undefined);
}

/** The same for the contract files: no schema language can read a function. */
export const NAMES_ONE_PLACE = { oneOf: [{ required: ["roomSlug"] }, { required: ["topic"] }] };
