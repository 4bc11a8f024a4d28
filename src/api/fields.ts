import * as v from "valibot";
import { eventName } from "../protocol/event-name.ts";
import { messageId, topic } from "../protocol/fields.ts";
import { ID } from "../protocol/topic.ts";
import { checkValue } from "../protocol/value.ts";

/** What paths, queries and bodies of several routes are made of, beside the fields that frames have too. */

/** As text, as paths and queries have it. */
export const UserId = v.pipe(v.string(), v.regex(ID));

/** In a body: its `data` has the place that it has in a frame, one level down. */
const Data = v.pipe(v.unknown(), v.check(isSayable));

/** Of everything that the backend publishes. */
export const EVENT_FIELDS = {
  event: eventName,
  data: v.optional(Data),
  messageId: v.optional(v.pipe(messageId, v.check(isWellFormed))),
};

export const TopicPath = v.object({ topic });
export const UserPath = v.object({ id: UserId });

const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = "100";

/** Over the maximum it is the maximum, as in frames. */
export const Limit = v.pipe(
  v.optional(v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/)), DEFAULT_LIMIT),
  v.transform((text) => Math.min(Number(text), MAX_LIMIT)),
);

/** The longest cursor is a topic in base64url. */
const Cursor = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,300}$/));

export const PAGE_FIELDS = { limit: Limit, cursor: v.optional(Cursor) };

/** Of an answer about all nodes: the NODE_IDs of those that did not answer in time. */
export const MISSING_FIELDS = { nodesMissing: v.optional(v.array(v.string())) };

/** The body of a list. */
export function pageOf<const S extends v.GenericSchema>(item: S) {
  return v.object({ items: v.array(item), next: v.optional(v.string()) });
}

/** The body of a list of what there is on all nodes. */
export function surveyOf<const S extends v.GenericSchema>(item: S) {
  return v.object({ ...pageOf(item).entries, ...MISSING_FIELDS });
}

export function isWellFormed(text: string): boolean {
  return text.isWellFormed();
}

/** Whether both framings can say it. */
export function isSayable(data: unknown): boolean {
  try {
    checkValue(data, 2);
    return true;
  } catch {
    return false;
  }
}
