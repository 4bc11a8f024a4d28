import * as v from "valibot";
import { isEventName } from "./event-name.ts";

/** Frames of an application's own types, which are named as events are. */
export const ownFrame = v.looseObject({
  type: v.pipe(v.string(), v.check(isEventName)),
  id: v.optional(v.union([v.pipe(v.string(), v.maxLength(64)), v.pipe(v.number(), v.safeInteger())])),
});

/** The fields are as the client sent them, in either framing: only values that JSON has. */
export type OwnFrame = v.InferOutput<typeof ownFrame>;
