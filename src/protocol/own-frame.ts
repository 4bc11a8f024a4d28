import * as v from "valibot";
import { eventName } from "./event-name.ts";
import { frameId } from "./fields.ts";

/** Frames of an application's own types, which are named as events are. */
export const ownFrame = v.looseObject({
  type: eventName,
  id: v.optional(frameId),
});

/** The fields are as the client sent them, in either framing: only values that JSON has. */
export type OwnFrame = v.InferOutput<typeof ownFrame>;
