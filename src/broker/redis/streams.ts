import * as v from "valibot";
import { ProtocolError } from "../../protocol/codes.ts";
import type { History, Identity, Position, Positioned, Publication } from "../broker.ts";
import { payloadHash } from "../payload-hash.ts";
import { bodyOf, KIND_LETTERS } from "./bus-message.ts";
import { isRefusal } from "./connection.ts";
import type { RedisLink } from "./link.ts";
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

/** How long a topic's offset outlives its last message and its last follower. Afterwards the topic starts again at 1, in another epoch. */
const TOPIC_TTL_MS = 3_600_000;
const MESSAGE_ID_TTL_MS = 300_000;
/** How often the script puts off the end of a topic, at most: so much longer than it must it lives. */
const RENEWED_EVERY_MS = 1_000;

/** A script of these bounds. */
const publishScriptOf = ({ historySize, historyBytes, historyTtlMs }: StreamBounds) =>
  new Script("publish", ["meta", "stream", "used"], ["channel", "run", "lineage", "kind", "body", "keeps", "hash"], {
    ...{ size: historySize, bytes: historyBytes, historyMs: historyTtlMs + RENEWED_EVERY_MS },
    ...{ topicMs: TOPIC_TTL_MS + RENEWED_EVERY_MS, usedMs: MESSAGE_ID_TTL_MS },
  });

const historyScript = new Script(
  "history",
  ["meta", "stream"],
  ["run", "lineage", "sinceOffset", "sinceEpoch", "limit", "size", "bytes", "historyMs", "topicMs", "touch"],
);

const offset = v.pipe(v.string(), v.regex(/^\d{1,16}$/), v.transform(Number));
const epoch = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,64}$/));
const POSITION = /^(\d{1,16}) ([A-Za-z0-9_.-]{1,64})$/;
const Standing = v.tupleWithRest([offset, epoch, v.number()], v.unknown());

/** The streams of all topics, each on one Redis: offset, history, message ids, and the telling of others in one script. */
export class Streams {
  readonly #bounds: StreamBounds;
  readonly #links: readonly RedisLink[];
  readonly #publishScript: ReturnType<typeof publishScriptOf>;
  /** Messages in a stream that no node has written. */
  foreignMessages = 0;

  constructor(bounds: StreamBounds, links: readonly RedisLink[]) {
    this.#bounds = bounds;
    this.#publishScript = publishScriptOf(bounds);
    this.#links = links;
  }

  linkOf(topic: string): RedisLink {
    return shardOf(this.#links, topic);
  }

  channelOf(topic: string): string {
    return namesOf(this.linkOf(topic), topic).channel;
  }

  /** Rejects MESSAGE_ID_REUSED, PUBLISH_FAILED. */
  async publish({ topic, body, identity }: Publication, keepsHistory: boolean): Promise<Position> {
    const link = this.linkOf(topic);
    const { meta, stream, channel } = namesOf(link, topic);
    try {
      const answer = await link.run(
        this.#publishScript,
        { meta, stream, used: identity === null ? meta : usedKey(link, topic, identity) },
        {
          ...{ channel, run: link.runId, lineage: newLineage(), kind: KIND_LETTERS[body.kind], body: body.json },
          ...{ keeps: keepsHistory ? "1" : "0", hash: identity === null ? "" : hashOf(identity) },
        },
      );
      return positionOf(answer);
    } catch (error) {
      if (isRefusal(error) && error.message.startsWith("REUSED")) throw new ProtocolError("MESSAGE_ID_REUSED");
      throw new ProtocolError("PUBLISH_FAILED");
    }
  }

  /** As `Broker.history`; a limit of 0 asks for the position alone. Whoever follows the topic keeps it from ending. Rejects UNAVAILABLE. */
  async read(topic: string, since: Position | null, limit: number, isFollowed: boolean): Promise<History> {
    const link = this.linkOf(topic);
    const { meta, stream } = namesOf(link, topic);
    const { historySize, historyBytes, historyTtlMs } = this.#bounds;
    const args = {
      ...{ run: link.runId, lineage: newLineage(), sinceOffset: String(since?.offset ?? 0) },
      ...{ sinceEpoch: since?.epoch ?? "", limit: String(Math.min(limit, historySize)) },
      ...{ size: String(historySize), bytes: String(historyBytes), historyMs: String(historyTtlMs) },
      ...{ topicMs: String(TOPIC_TTL_MS + RENEWED_EVERY_MS), touch: isFollowed ? "1" : "0" },
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
      const body = bodyOf(flat[index + 1], flat[index + 2]);
      if (body === null) this.foreignMessages += 1;
      else messages.push({ body, offset: Number(flat[index]), epoch: epochOfThem });
    }
    return messages;
  }
}

function namesOf(link: RedisLink, topic: string): { meta: string; stream: string; channel: string } {
  return { meta: `${link.prefix}t:${topic}`, stream: `${link.prefix}s:${topic}`, channel: `${link.prefix}b:${topic}` };
}

/** Neither topics nor user ids hold a line break, so two keys are one only when all three parts are. */
function usedKey(link: RedisLink, topic: string, { userId, messageId }: Identity): string {
  return `${link.prefix}i:${topic}\n${userId}\n${messageId}`;
}

function hashOf({ payload }: Identity): string {
  const { low, high } = payloadHash(payload);
  return `${(low >>> 0).toString(36)}.${(high >>> 0).toString(36)}`;
}

/** Throws on anything but a position: Redis has answered something else than the script does. */
function positionOf(answer: unknown): Position {
  const found = typeof answer === "string" ? POSITION.exec(answer) : null;
  if (found === null) throw new TypeError("no position");
  return { offset: Number(found[1]), epoch: found[2] ?? "" };
}

const LINEAGES = crypto.randomUUID().slice(0, 8);
let lineages = 0;

/** Of an epoch that begins with the command; ignored where there is one already. */
function newLineage(): string {
  lineages += 1;
  return LINEAGES + lineages.toString(36);
}
