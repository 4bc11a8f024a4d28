import * as v from "valibot";
import type { History, Identity, Position, Positioned, Publication } from "../broker.ts";
import { payloadHash } from "../payload-hash.ts";
import { bodyOf } from "./bus-message.ts";
import { newLineage } from "./lineage.ts";
import { MAX_BUS_LENGTH, type RedisLink } from "./link.ts";
import { PublishQueue } from "./publish-queue.ts";
import { publishScriptOf, TOPIC_LIFE_MS } from "./publish-script.ts";
import { Script } from "./script.ts";
import { shardOf } from "./shards.ts";
import { unavailable } from "./unavailable.ts";

export interface StreamBounds {
  /** Messages kept per topic. */
  readonly historySize: number;
  /** Bytes kept per topic. */
  readonly historyBytes: number;
  readonly historyTtlMs: number;
}

/** Messages that are read at once: a long history is not to hold up the Redis that all share. */
const MESSAGES_PER_READ = 128;

const historyScript = new Script(
  "history",
  ["meta", "stream"],
  ["run", "lineage", "sinceOffset", "sinceEpoch", "limit", "size", "bytes", "historyMs", "topicMs", "touch"],
);

const offset = v.pipe(v.string(), v.regex(/^\d{1,16}$/), v.transform(Number));
const epoch = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,64}$/));
const Standing = v.tupleWithRest([offset, epoch, v.number()], v.unknown());

/** The streams of all topics, each on one Redis: offset, history, message ids, and the telling of others in one script. */
export class Streams {
  readonly #bounds: StreamBounds;
  readonly #links: readonly RedisLink[];
  readonly #queues: ReadonlyMap<RedisLink, PublishQueue>;
  /** Messages in a stream that no node has written. */
  foreignMessages = 0;

  constructor(bounds: StreamBounds, links: readonly RedisLink[]) {
    this.#bounds = bounds;
    this.#links = links;
    const script = publishScriptOf(bounds);
    this.#queues = new Map(links.map((link) => [link, new PublishQueue(link, script)]));
  }

  linkOf(topic: string): RedisLink {
    return shardOf(this.#links, topic);
  }

  channelOf(topic: string): string {
    return namesOf(this.linkOf(topic), topic).channel;
  }

  /** Rejects MESSAGE_ID_REUSED, PUBLISH_FAILED. */
  publish({ topic, body, identity }: Publication, keepsHistory: boolean): Promise<Position> {
    const link = this.linkOf(topic);
    const { meta, stream, channel } = namesOf(link, topic);
    const queue = this.#queues.get(link);
    if (queue === undefined) throw new Error("a link without a queue");
    return queue.take({
      ...{ meta, stream, channel, body, keepsHistory },
      used: identity === null ? meta : usedKey(link, topic, identity),
      hash: identity === null ? "" : hashOf(identity),
    });
  }

  /** As `Broker.history`; a limit of 0 asks for the position alone. Whoever follows the topic keeps it from ending. Rejects UNAVAILABLE. */
  async read(topic: string, since: Position | null, limit: number, isFollowed: boolean): Promise<History> {
    if (since === null) return this.#readOnce(topic, since, limit, isFollowed);
    const first = await this.#readOnce(topic, since, Math.min(limit, MESSAGES_PER_READ), isFollowed);
    if (!first.recovered) return first;
    const messages = [...first.messages];
    const wanted = Math.min(limit, first.offset - since.offset);
    while (messages.length < wanted) {
      const reached = { offset: since.offset + messages.length, epoch: since.epoch };
      const most = Math.min(wanted - messages.length, MESSAGES_PER_READ);
      const next = await this.#readOnce(topic, reached, most, false);
      // Another epoch began, or the rest is gone meanwhile.
      if (!next.recovered) return next;
      messages.push(...next.messages);
    }
    return { ...first, messages };
  }

  async #readOnce(topic: string, since: Position | null, limit: number, isFollowed: boolean): Promise<History> {
    const link = this.linkOf(topic);
    const { meta, stream } = namesOf(link, topic);
    const { historySize, historyBytes, historyTtlMs } = this.#bounds;
    const args = {
      ...{ run: link.runId, lineage: newLineage(), sinceOffset: String(since?.offset ?? 0) },
      ...{ sinceEpoch: since?.epoch ?? "", limit: String(Math.min(limit, historySize)) },
      ...{ size: String(historySize), bytes: String(historyBytes), historyMs: String(historyTtlMs) },
      ...{ topicMs: String(TOPIC_LIFE_MS), touch: isFollowed ? "1" : "0" },
    };
    // A full Redis refuses to begin a topic, and what stands in a key may be anybody's.
    const reading = link.run(historyScript, { meta, stream }, args).then((answer) => v.parse(Standing, answer));
    const [standing, epochOfIt, recovered, ...rest] = await reading.catch((error: unknown) => {
      throw unavailable(error);
    });
    const messages = this.#messages(rest, epochOfIt);
    // Behind a position a message that is no message is a hole.
    const isWhole = recovered === 1 && (since === null || messages.length * 3 === rest.length);
    return { offset: standing, epoch: epochOfIt, recovered: isWhole, messages: isWhole ? messages : [] };
  }

  #messages(flat: readonly unknown[], epochOfThem: string): Positioned[] {
    const messages: Positioned[] = [];
    for (let index = 0; index < flat.length; index += 3) {
      const json = flat[index + 2];
      const isOurs = typeof json === "string" && json.length <= MAX_BUS_LENGTH;
      const body = isOurs ? bodyOf(flat[index + 1], json) : null;
      if (body === null) this.foreignMessages += 1;
      else messages.push({ body, offset: Number(flat[index]), epoch: epochOfThem });
    }
    return messages;
  }
}

function namesOf(link: RedisLink, topic: string): { meta: string; stream: string; channel: string } {
  return {
    meta: `${link.prefix}t:${topic}`,
    stream: `${link.prefix}s:${topic}`,
    channel: `${link.channelPrefix}b:${topic}`,
  };
}

/** Neither topics nor user ids hold a line break, so two keys are one only when all three parts are. */
function usedKey(link: RedisLink, topic: string, { userId, messageId }: Identity): string {
  return `${link.prefix}i:${topic}\n${userId}\n${messageId}`;
}

function hashOf({ payload }: Identity): string {
  const { low, high } = payloadHash(payload);
  return `${(low >>> 0).toString(36)}.${(high >>> 0).toString(36)}`;
}
