import * as v from "valibot";
import type { Directory } from "../hub/directory.ts";
import type { Survey } from "../hub/survey.ts";
import { jsonOf } from "../protocol/json.ts";
import { Limit, PAGE_FIELDS, pageOf, surveyOf, TopicPath, UserId } from "./fields.ts";
import { NOTHING, type Route, route } from "./route.ts";

const TopicItem = v.object({ topic: v.string(), members: v.number(), users: v.optional(v.number()) });
const UserItem = v.object({ userId: v.union([v.string(), v.number()]), username: v.string() });
const MessageItem = v.looseObject({ type: v.string(), timestamp: v.number(), offset: v.number(), epoch: v.string() });
const ConnectionItem = v.object({
  ...{ id: v.string(), endpoint: v.string(), address: v.string(), since: v.number() },
  ...{ framing: v.picklist(["json", "msgpack"]), topics: v.number() },
});

const PresenceAnswer = v.object({ ...pageOf(UserItem).entries, userCount: v.number() });
const HistoryAnswer = v.object({
  items: v.array(MessageItem),
  ...{ offset: v.number(), epoch: v.string(), recovered: v.optional(v.boolean()) },
});

const PageQuery = v.object(PAGE_FIELDS);
const HistoryQuery = v.pipe(
  v.object({
    limit: Limit,
    since_offset: v.optional(v.pipe(v.string(), v.regex(/^\d{1,15}$/), v.transform(Number))),
    since_epoch: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,64}$/))),
  }),
  v.check(({ since_offset, since_epoch }) => (since_offset === undefined) === (since_epoch === undefined)),
);

/** Lists of what there is. */
export function topicRoutes(directory: Directory, survey: Survey): Route[] {
  const ROW = { method: "GET", access: "api", body: null } as const;
  return [
    route({
      ...{ ...ROW, path: "/api/topics", params: NOTHING, query: PageQuery },
      summary: "The topics that somebody is in.",
      answers: { 200: { what: "a page of topics", schema: surveyOf(TopicItem) } },
      handle: async ({ query }) => Response.json(await survey.topics(query)),
    }),
    route({
      ...{ ...ROW, path: "/api/topics/{topic}/presence", params: TopicPath, query: PageQuery },
      summary: "The users in a topic.",
      answers: { 200: { what: "a page of users, and how many there are", schema: PresenceAnswer } },
      errors: ["NOT_FOUND"],
      handle: async ({ params, query }) => Response.json(await directory.presence(params.topic, query)),
    }),
    route({
      ...{ ...ROW, path: "/api/topics/{topic}/history", params: TopicPath, query: HistoryQuery },
      summary:
        "The newest messages of a topic, or with `since_offset` and `since_epoch` the oldest after that position.",
      answers: { 200: { what: "the messages as they went out, and where the topic stands", schema: HistoryAnswer } },
      errors: ["NOT_FOUND"],
      async handle({ params, query }) {
        const { since_offset, since_epoch, limit } = query;
        const isSince = since_offset !== undefined && since_epoch !== undefined;
        const since = isSince ? { offset: since_offset, epoch: since_epoch } : null;
        const { messages, offset, epoch, recovered } = await directory.history(params.topic, since, limit);
        // They are kept as text already.
        const items = messages.map((message) => jsonOf(message.body, message.offset, message.epoch)).join(",");
        const rest = JSON.stringify({ offset, epoch, ...(isSince && { recovered }) }).slice(1);
        return new Response(`{"items":[${items}],${rest}`, { headers: { "Content-Type": "application/json" } });
      },
    }),
    route({
      ...{ ...ROW, path: "/api/connections", params: NOTHING, query: v.object({ user: UserId, ...PAGE_FIELDS }) },
      summary: "The open connections of a user.",
      answers: { 200: { what: "a page of connections", schema: surveyOf(ConnectionItem) } },
      handle: async ({ query: { user, ...page } }) => Response.json(await survey.connections(user, page)),
    }),
  ];
}
