import * as v from "valibot";
import type { Backend } from "../hub/backend.ts";
import { roomTopic } from "../protocol/topic.ts";
import { EVENT_FIELDS, RoomSlug, Topic } from "./fields.ts";
import { NOTHING, type Route, route } from "./route.ts";

/** Topics of one request. */
const MAX_TOPICS = 100;

const Publication = v.pipe(
  v.object({
    topic: v.optional(Topic),
    roomSlug: v.optional(RoomSlug),
    topics: v.optional(v.pipe(v.array(Topic), v.minLength(1), v.maxLength(MAX_TOPICS))),
    ...EVENT_FIELDS,
  }),
  v.check(
    ({ topic, roomSlug, topics }) => [topic, roomSlug, topics].filter((place) => place !== undefined).length === 1,
  ),
);

const POSITION = { messageId: v.string(), offset: v.number(), epoch: v.string() };
export const PublishedAnswer = v.object(POSITION);
const ManyAnswer = v.object({
  results: v.array(
    v.union([v.object({ topic: v.string(), ...POSITION }), v.object({ topic: v.string(), code: v.string() })]),
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
        const { topic, roomSlug, topics, ...event } = await body();
        if (topics !== undefined) return Response.json({ results: await backend.publishToMany(topics, event) });
        return Response.json(await backend.publish(topic ?? roomTopic(roomSlug ?? ""), event));
      },
    }),
  ];
}
