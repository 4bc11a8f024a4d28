import * as v from "valibot";
import { EVENT_NAME } from "./fields.ts";
import { serverFrames } from "./server-frames.ts";

/** Names of published events (docs/protocol.md, "Published events"). */

/** Every type of frame that the server sends for itself: an event of that name could be taken for one. */
export const SERVER_FRAME_TYPES: ReadonlySet<string> = new Set(Object.keys(serverFrames));

export function isEventName(name: string): boolean {
  return EVENT_NAME.test(name) && !SERVER_FRAME_TYPES.has(name);
}

export const eventName = v.pipe(
  v.string(),
  v.check(isEventName),
  // For the contract files: no schema language can read a function.
  v.metadata({ pattern: EVENT_NAME.source, not: { enum: [...SERVER_FRAME_TYPES] } }),
);
