import * as v from "valibot";
import type { Backend } from "../hub/backend.ts";
import { ERROR_CODES } from "../protocol/codes.ts";
import { messageId, position, roomSlug, topic } from "../protocol/fields.ts";
import { topicOf } from "../protocol/topic.ts";
import { EVENT_FIELDS } from "./fields.ts";
import { NOTHING, type Route, route } from "./route.ts";

/** Topics of one request. */
const MAX_TOPICS = 100;

const Publication = v.pipe(
  v.object({
    topic: v.optional(topic),
    roomSlug: v.optional(roomSlug),
    topics: v.optional(v.pipe(v.array(topic), v.minLength(1), v.maxLength(MAX_TOPICS))),
    ...EVENT_FIELDS,
  }),
  v.check((body) => [body.topic, body.roomSlug, body.topics].filter((place) => place !== undefined).length === 1),
);

export const PublishedAnswer = v.object({ messageId, ...position });
const ManyAnswer = v.object({
  results: v.array(
    v.union([v.object({ topic, ...PublishedAnswer.entries }), v.object({ topic, code: v.picklist(ERROR_CODES) })]),
  ),
});

export function publishRoutes(backend: Backend): Route[] {
  return [
    route({
      ...{ method: "POST", path: "/api/publish", access: "api", params: NOTHING, query: v.unknown() },
      summary:
        "An event for a topic, a room, or up to 100 topics, of which one that fails keeps none of the others from it.",
      body: Publication,
      answers: {
        200: { what: "the position, or the results of the topics", schema: v.union([PublishedAnswer, ManyAnswer]) },
      },
      errors: ["MESSAGE_ID_REUSED", "PUBLISH_FAILED"],
      async handle({ body }) {
        const { topics, topic: one, roomSlug: slug, ...event } = await body();
        if (topics !== undefined) return Response.json({ results: await backend.publishToMany(topics, event) });
        return Response.json(await backend.publish(topicOf({ topic: one, roomSlug: slug }), event));
      },
    }),
  ];
}
