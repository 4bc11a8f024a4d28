import * as v from "valibot";
import type { Nodes } from "../broker/broker.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { count } from "../protocol/fields.ts";
import { ID, isTopic } from "../protocol/topic.ts";
import {
  byAge,
  type Directory,
  type ListedConnection,
  type ListedTopic,
  type Page,
  type PageRequest,
} from "./directory.ts";
import { answer, ask, gather, type Gathered } from "./question.ts";

/** Items of one list that a node answers: they have to fit into a message. */
const MAX_ITEMS = 1_001;

const pageLimit = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_ITEMS));

const TOPICS = {
  name: "list-topics",
  asked: v.object({ after: v.string(), limit: pageLimit }),
  answered: v.pipe(
    v.array(v.object({ topic: v.string(), members: count, users: v.optional(count) })),
    v.maxLength(MAX_ITEMS),
  ),
};

const CONNECTIONS = {
  name: "list-connections",
  asked: v.object({ userId: v.pipe(v.string(), v.regex(ID)), after: v.string(), limit: pageLimit }),
  answered: v.pipe(
    v.array(
      v.object({
        ...{ id: v.string(), endpoint: v.string(), address: v.string(), since: v.number() },
        ...{ framing: v.picklist(["json", "msgpack"]), topics: count },
      }),
    ),
    v.maxLength(MAX_ITEMS),
  ),
};

/**
 * Lists of what there is on all nodes. Every node says what comes first behind the cursor in an order that all of them share, one item more
 * than the page takes: what stands first among all of these is the page, and nothing that belongs before its end can be missing.
 */
export class Survey {
  readonly #nodes: Nodes;
  readonly #directory: Directory;

  /** Answers the questions of the other nodes from now on. */
  constructor(nodes: Nodes, directory: Directory) {
    this.#nodes = nodes;
    this.#directory = directory;
    answer(nodes, TOPICS, ({ after, limit: most }) => directory.topicsByName(after, most));
    answer(nodes, CONNECTIONS, (asked) => directory.connectionsAfter(asked.userId, asked.after, asked.limit));
  }

  /**
   * Alone as `Directory.topics`, else in the order of their names, for no other is the same on all nodes. Throws or rejects BAD_REQUEST for a
   * cursor of another list.
   */
  topics(request: PageRequest): (Page<ListedTopic> & Gathered) | Promise<Page<ListedTopic> & Gathered> {
    if (this.#nodes.isAlone) return this.#directory.topics(request);
    const after = topicIn(request.cursor);
    const most = request.limit + 1;
    const heard = ask(this.#nodes, TOPICS, { after, limit: most });
    return gather(this.#directory.topicsByName(after, most), heard, (own, others) => {
      const items = joined([own, ...others].flat()).toSorted((left, right) => (left.topic < right.topic ? -1 : 1));
      return pageOf(items, request.limit, ({ topic }) => Buffer.from(topic).toString("base64url"));
    });
  }

  /** Of one user, in the order of their ids: oldest first as far as they are on one node. */
  connections(
    userId: string,
    { limit: size, cursor = "" }: PageRequest,
  ): (Page<ListedConnection> & Gathered) | Promise<Page<ListedConnection> & Gathered> {
    const heard = ask(this.#nodes, CONNECTIONS, { userId, after: cursor, limit: size + 1 });
    return gather(this.#directory.connectionsAfter(userId, cursor, size + 1), heard, (own, others) => {
      const items = [own, ...others].flat().toSorted((left, right) => byAge(left.id, right.id));
      return pageOf(items, size, ({ id }) => id);
    });
  }
}

function pageOf<T>(items: readonly T[], limit: number, cursorOf: (last: T) => string): Page<T> {
  const page = items.slice(0, limit);
  const last = page.at(-1);
  return items.length > limit && last !== undefined ? { items: page, next: cursorOf(last) } : { items: page };
}

/** One item for each topic. */
function joined(listed: readonly ListedTopic[]): ListedTopic[] {
  const topics = new Map<string, ListedTopic>();
  for (const { topic, members, users } of listed) {
    const known = topics.get(topic);
    // Presence is shared: every node with members knows all users of the topic, so they are not added up.
    const most = Math.max(users ?? 0, known?.users ?? 0);
    topics.set(topic, {
      ...{ topic, members: members + (known?.members ?? 0) },
      ...((users ?? known?.users) !== undefined && { users: most }),
    });
  }
  return [...topics.values()];
}

function topicIn(cursor: string | undefined): string {
  if (cursor === undefined) return "";
  const topic = Buffer.from(cursor, "base64url").toString();
  if (!isTopic(topic)) throw new ProtocolError("BAD_REQUEST");
  return topic;
}
