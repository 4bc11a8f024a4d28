import * as v from "valibot";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What one client of a run is and does. Times are milliseconds. */
export const clientPlan = v.object({
  /** Its name in the history, which is the id of its user too. */
  name: v.string(),
  framing: v.picklist(["json", "msgpack"]),
  rooms: v.array(v.string()),
  /** It keeps the list of who is in its rooms. */
  watches: v.boolean(),
  /** How long each of its tokens is good for. */
  tokenTtlS: count,
  /** When the load begins it shows a token that ends so many seconds later, and then gets no other: it is barred from then on. */
  lastTokenTtlS: v.optional(count),
  /** When its connection ends, whoever ends it, it never comes back. */
  goesWithConnection: v.optional(v.boolean()),
  /** It leaves all of its rooms so often, and comes back after so long; `null` in the same write, without hearing that it left. */
  hops: v.optional(v.object({ everyMs: count, awayMs: v.nullable(count) })),
  /** It sends a message of which the handler of the application fails, so often. */
  poisonEveryMs: v.optional(count),
  /** Messages a second that it publishes while there is load, to its rooms in turn. */
  messagesPerSecond: v.number(),
});
export type ClientPlan = v.InferOutput<typeof clientPlan>;

/** How long the messages are, in characters; both ends included. */
export const messageSize = v.object({ min: count, max: count });
export type MessageSize = v.InferOutput<typeof messageSize>;
