import * as v from "valibot";
import { ProtocolError } from "../../protocol/codes.ts";
import type { RedisLink } from "./link.ts";
import { Script } from "./script.ts";

const PUT = new Script(
  "register-put",
  ["meta", "data", "order", "live", "gone"],
  ["field", "text", "state", "ends", "expected", "version", "fresh", "most", "channel"],
);
const PAGE = new Script("register-page", ["meta", "data", "order"], ["after", "limit"]);

/** So that a page is a few megabytes at most, and the event loop is held up for a moment only. */
export const PAGE_SIZE = 200;
/** Longer entries are none of ours. */
const MAX_ENTRY_LENGTH = 65_536;

/** What is to stand in a register. */
export interface Draft {
  /** For the copies to read; Redis looks at no more than the fields beside it. */
  readonly text: string;
  /** `gone` for what was taken back. */
  readonly state: "live" | "gone";
  /** Wall clock. */
  readonly endsMs: number;
}

export interface Entry {
  readonly field: string;
  readonly text: string;
  /** When it was ordered, in microseconds; the same for as long as nobody orders something else. */
  readonly version: number;
  /** As it stands in Redis. */
  readonly stored: string;
}

interface Page {
  /** Another when everything was lost in between; "" in an empty Redis. */
  readonly epoch: string;
  /** The last write of all. */
  readonly head: number;
  /** The last write of this page; null when there is none. */
  readonly last: number | null;
  readonly isLast: boolean;
  readonly entries: readonly Entry[];
  /** Entries that cannot be ours. */
  readonly skipped: number;
}

const putAnswer = v.tuple([v.picklist(["OK", "CHANGED", "FULL"]), v.string()]);
const instant = v.pipe(v.string(), v.regex(/^\d{1,16}$/), v.transform(Number), v.safeInteger());
const pageAnswer = v.tuple([v.string(), instant, v.array(v.string())]);
const STORED = /^(\d{1,16}) /;

/** The keys of one register, and what is done with them. Everything rejects UNAVAILABLE, or with the refusal of Redis. */
export class RegisterKeys {
  readonly channel: string;
  readonly #link: RedisLink;
  readonly #most: number;
  readonly #keys: Readonly<Record<"meta" | "data" | "order" | "live" | "gone", string>>;

  constructor(link: RedisLink, name: string, most: number) {
    const prefix = `${link.prefix}${name}`;
    this.#link = link;
    this.#most = most;
    this.channel = `${link.channelPrefix}${name}`;
    this.#keys = {
      meta: `${prefix}:meta`,
      data: `${prefix}:data`,
      order: `${prefix}:order`,
      live: `${prefix}:live`,
      gone: `${prefix}:gone`,
    };
  }

  /**
   * Writes where Redis has what is expected: exactly that text, "" nothing, `*` anything, `+` anything but nothing, where nothing is fine too.
   * The answer is null, or what stands there instead. Rejects OVERLOADED when there is no room. `version` null: it is ordered now.
   */
  async put(field: string, draft: Draft, expected: string, version: number | null): Promise<string | null> {
    const answer = await this.#link.run(PUT, this.#keys, {
      ...{ field, text: draft.text, state: draft.state, ends: String(draft.endsMs), expected },
      version: version === null ? "" : String(version),
      fresh: crypto.randomUUID(),
      most: String(this.#most),
      channel: this.channel,
    });
    const [status, stored] = v.parse(putAnswer, answer);
    if (status === "FULL") throw new ProtocolError("OVERLOADED");
    return status === "OK" ? null : stored;
  }

  /** What was written after a write, oldest first. */
  async page(after: number): Promise<Page> {
    const answer = await this.#link.run(PAGE, this.#keys, { after: String(after), limit: String(PAGE_SIZE) });
    const [epoch, head, flat] = v.parse(pageAnswer, answer);
    const entries: Entry[] = [];
    let last: number | null = null;
    for (let index = 0; index + 2 < flat.length; index += 3) {
      const [at = "", field = "", stored = ""] = flat.slice(index, index + 3);
      last = v.parse(instant, at);
      const entry = entryOf(field, stored);
      if (entry !== null) entries.push(entry);
    }
    const count = flat.length / 3;
    return { epoch, head, last, isLast: count < PAGE_SIZE, entries, skipped: count - entries.length };
  }
}

/** Null when it cannot be one of ours. */
export function entryOf(field: string, stored: string): Entry | null {
  const version = STORED.exec(stored)?.[1];
  if (version === undefined || stored.length > MAX_ENTRY_LENGTH) return null;
  return { field, text: stored.slice(version.length + 1), version: Number(version), stored };
}
