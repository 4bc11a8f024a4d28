import * as v from "valibot";
import type { Everywhere } from "../hub/everywhere.ts";
import { topic } from "../protocol/fields.ts";
import { actorOf } from "./actor.ts";
import { EVENT_FIELDS, isWellFormed, MISSING_FIELDS, UserId, UserPath } from "./fields.ts";
import { PublishedAnswer } from "./publish.ts";
import { type Route, route } from "./route.ts";

/** Users and connections that one request may name. */
const MAX_NAMED = 100;
/** What a close frame holds beside its code (RFC 6455 section 5.5). */
const MAX_REASON_BYTES = 123;

const Event = v.object(EVENT_FIELDS);
const ForFollowers = v.object({
  ...EVENT_FIELDS,
  to: v.optional(v.pipe(v.array(UserId), v.maxLength(MAX_NAMED))),
});
const Disconnection = v.object({
  code: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4_000), v.maxValue(4_999))),
  reason: v.optional(v.pipe(v.string(), v.maxBytes(MAX_REASON_BYTES), v.check(isWellFormed))),
  except: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(100))), v.maxLength(MAX_NAMED))),
});
const Subscription = v.object({ topic });

const SentAnswer = v.object({ delivered: v.number(), ...PublishedAnswer.entries, ...MISSING_FIELDS });
const ClosedAnswer = v.object({ closed: v.number(), ...MISSING_FIELDS });
const SubscribedAnswer = v.object({ subscribed: v.number(), skipped: v.number(), ...MISSING_FIELDS });
const UnsubscribedAnswer = v.object({ unsubscribed: v.number(), ...MISSING_FIELDS });

/** What happens to one user, on all of its connections. */
export function userRoutes(everywhere: Everywhere): Route[] {
  const ROW = { method: "POST", access: "api", params: UserPath, query: v.unknown() } as const;
  return [
    route({
      ...ROW,
      path: "/api/users/{id}/send",
      summary: "An event for all connections of a user.",
      body: Event,
      answers: { 200: { what: "connections that it went to, and its position", schema: SentAnswer } },
      errors: ["MESSAGE_ID_REUSED", "PUBLISH_FAILED"],
      handle: async ({ params, body }) => Response.json(await everywhere.sendToUser(params.id, await body())),
    }),
    route({
      ...ROW,
      path: "/api/users/{id}/followers/send",
      summary: "An event for the followers of a user, and for the users named in `to`; each connection gets it once.",
      body: ForFollowers,
      answers: { 200: { what: "connections that it went to, and its position", schema: SentAnswer } },
      errors: ["MESSAGE_ID_REUSED", "PUBLISH_FAILED"],
      async handle({ params, body }) {
        const { to, ...event } = await body();
        return Response.json(await everywhere.sendToFollowers(params.id, event, to));
      },
    }),
    route({
      ...ROW,
      path: "/api/users/{id}/disconnect",
      summary: "Ends the connections of a user, but for those named in `except`.",
      body: Disconnection,
      answers: { 200: { what: "connections that were ended", schema: ClosedAnswer } },
      handle: async (call) => {
        return Response.json(await everywhere.disconnect(call.params.id, await call.body(), actorOf(call)));
      },
    }),
    route({
      ...ROW,
      path: "/api/users/{id}/subscribe",
      summary: "Makes the open connections of a user members of a topic, whatever their tokens say.",
      body: Subscription,
      answers: {
        200: {
          what: "connections that are members now, and those that have too many topics",
          schema: SubscribedAnswer,
        },
      },
      handle: async ({ params, body }) => Response.json(await everywhere.subscribe(params.id, (await body()).topic)),
    }),
    route({
      ...ROW,
      path: "/api/users/{id}/unsubscribe",
      summary: "Takes the open connections of a user out of a topic.",
      body: Subscription,
      answers: { 200: { what: "connections that were in it", schema: UnsubscribedAnswer } },
      async handle({ params, body }) {
        return Response.json(await everywhere.unsubscribe(params.id, (await body()).topic));
      },
    }),
  ];
}
