import * as v from "valibot";
import { eventName } from "./event-name.ts";
import {
  frameId as givenId,
  id,
  messageId as givenMessageId,
  NAMES_ONE_PLACE,
  namesOnePlace,
  position as somePosition,
  roomSlug,
  topic,
} from "./fields.ts";

/**
 * The frames of clients: one schema per type, from which its TypeScript type is inferred. What the server sends is in
 * `server-frames.ts`. Source: docs/protocol.md, "Client → server". Unknown fields are ignored.
 */

/** A frame costs one token of its user per this many bytes begun. */
export const BYTES_PER_TOKEN = 4_096;

/** Bytes of messages in one frame of a recovery or of a history. */
export const MAX_PART_BYTES = 262_144;

const frameId = v.optional(givenId);
const messageId = v.optional(givenMessageId);
const position = v.object(somePosition);
const place = { roomSlug: v.optional(roomSlug), topic: v.optional(topic) };

export const clientFrames = {
  auth: v.object({ id: frameId, token: v.string() }),
  refresh: v.object({ id: frameId, token: v.string() }),
  join_room: v.object({ id: frameId, roomSlug, recover: v.optional(position) }),
  leave_room: v.object({ id: frameId, roomSlug }),
  chat_message: v.object({ id: frameId, roomSlug, message: v.string(), messageId }),
  subscribe: v.object({ id: frameId, topic, token: v.optional(v.string()), recover: v.optional(position) }),
  unsubscribe: v.object({ id: frameId, topic }),
  subscribe_conversation: v.object({
    id: frameId,
    conversation_id: id,
    recover: v.optional(position),
  }),
  publish: v.pipe(
    v.object({
      id: frameId,
      ...place,
      event: eventName,
      data: v.optional(v.unknown()),
      messageId,
    }),
    v.check((frame) => namesOnePlace(frame)),
    v.metadata(NAMES_ONE_PLACE),
  ),
  typing: v.pipe(
    v.object({ id: frameId, ...place, isTyping: v.boolean() }),
    v.check((frame) => namesOnePlace(frame)),
    v.metadata(NAMES_ONE_PLACE),
  ),
  presence: v.pipe(
    v.object({ id: frameId, ...place, after: v.optional(v.pipe(v.string(), v.regex(/^\d{1,15}$/))) }),
    v.check((frame) => namesOnePlace(frame)),
    v.metadata(NAMES_ONE_PLACE),
  ),
  history: v.pipe(
    v.object({
      id: frameId,
      ...place,
      since: v.optional(position),
      limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
    }),
    v.check((frame) => namesOnePlace(frame)),
    v.metadata(NAMES_ONE_PLACE),
  ),
  ping: v.object({ id: frameId }),
  pong: v.object({ id: frameId }),
} as const;

export type ClientFrameType = keyof typeof clientFrames;
export type ClientFrame<T extends ClientFrameType> = v.InferOutput<(typeof clientFrames)[T]>;
export type FrameId = v.InferOutput<typeof givenId>;

/** What a reply repeats of the frame that it answers. */
export function replyTo(frame: { id?: FrameId | undefined }): { id?: FrameId } {
  return frame.id === undefined ? {} : { id: frame.id };
}
