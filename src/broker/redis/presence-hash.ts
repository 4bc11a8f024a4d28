import type { WireUser } from "../../protocol/server-frames.ts";
import { NO_NODE } from "../presence-mirror.ts";
import type { RedisLink } from "./link.ts";
import { fieldOf, storedText } from "./presence-bus.ts";
import { readSnapshot, type Snapshot } from "./presence-snapshot.ts";
import type { Told } from "./presence-topic.ts";
import { Script } from "./script.ts";

const CHANGE = new Script("presence-change", ["users"], ["channel", "ttlMs", "change", "message"]);
const READ = new Script("presence-read", ["users"], ["ttlMs", "most"]);

/** The hash of a topic that no node looks at ends by itself. */
const TTL_MS = 3_600_000;
/** Users times nodes in one topic. */
const MAX_READ = 200_000;

/** What the script does to the hash. */
export interface Steps {
  readonly removed: readonly string[];
  readonly set: readonly (readonly [field: string, value: string])[];
  readonly held: readonly (readonly [field: string, value: string, holdMs: number])[];
  /** Holds that have ended, as long as nobody holds the user anew. */
  readonly expired: readonly string[];
}

/** Who is in one topic, as Redis has it: a hash, and the channel that tells its changes in their order. */
export class PresenceHash {
  readonly link: RedisLink;
  readonly topic: string;
  readonly channel: string;
  readonly #key: string;

  constructor(link: RedisLink, topic: string) {
    this.link = link;
    this.topic = topic;
    this.channel = `${link.channelPrefix}pc:${topic}`;
    this.#key = `${link.prefix}p:${topic}`;
  }

  /** Rejects UNAVAILABLE, with an error of Redis, or when what is there is none of ours. */
  async read(now: () => number): Promise<Snapshot> {
    const answer = await this.link.run(READ, { users: this.#key }, { ttlMs: String(TTL_MS), most: String(MAX_READ) });
    return readSnapshot(answer, now());
  }

  /** `message` is told when the steps change anything. Rejects like `read`. */
  change(steps: Partial<Steps>, message: string): Promise<unknown> {
    const change = JSON.stringify({ removed: [], set: [], held: [], expired: [], ...steps });
    return this.link.run(
      CHANGE,
      { users: this.#key },
      { channel: this.channel, ttlMs: String(TTL_MS), change, message },
    );
  }

  publish(message: string): Promise<unknown> {
    return this.link.command(["PUBLISH", this.channel, message]);
  }
}

/** What a node says of its own users, as steps. */
export function stepsOf(self: string, { joined, left, held }: Told): Omit<Steps, "expired"> {
  const gone = [...left, ...held.map(([id]) => id)].map((id) => fieldOf(self, id));
  return {
    removed: [...gone, ...joined.map(([id]) => fieldOf(NO_NODE, id))],
    set: joined.map(([id, ...user]) => [fieldOf(self, id), storedText(wireUserOf(user))]),
    held: held.map(([id, userId, username, holdMs]) => {
      return [fieldOf(NO_NODE, id), storedText({ userId, username }), holdMs];
    }),
  };
}

function wireUserOf([userId, username]: readonly [string | number, string]): WireUser {
  return { userId, username };
}
