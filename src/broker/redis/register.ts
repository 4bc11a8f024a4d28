import type { Clock } from "../../observe/clock.ts";
import { ProtocolError } from "../../protocol/codes.ts";
import type { RedisLink } from "./link.ts";
import { type Draft, type Entry, entryOf, RegisterKeys } from "./register-keys.ts";
import { refusedAs, unavailable } from "./unavailable.ts";

/** What is not announced, since an announcement was lost, is found by then. */
const READ_MS = 60_000;
/** Until it has been read once. */
const RETRY_MS = 1_000;
const FIRST_READ_MS = 2_000;
/** Entries that are written back at once. */
const RESTORED_AT_ONCE = 100;
/** Others write the same entry at the same time, each time anew. */
const MAX_ATTEMPTS = 8;
/** Redis loses everything while it is read, each time anew. */
const MAX_RESTARTS = 3;

/** What a node holds of a register. `News` is what its owner is told of an entry that changed it. */
export interface Copy<News> {
  /** Null for an entry that cannot be read. */
  take(entry: Entry): Taken<News> | null;
  /** All of it that still holds: what Redis has lost is written back. */
  kept(): Iterable<Kept>;
}

export interface Taken<News> {
  /** Null when the copy had it already. */
  readonly news: News | null;
  /** What has to stand in Redis instead, where the copy knows better; null where not. */
  readonly better: Kept | null;
}

export interface Kept {
  readonly field: string;
  readonly draft: Draft;
  /** Null where an entry has none that matters. */
  readonly version: number | null;
}

interface Restorable extends Kept {
  readonly expected: string;
}

interface OwnChange<News> {
  running: number;
  isDone: boolean;
  news: News | null;
}

export interface RegisterOptions<News> {
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly name: string;
  readonly most: number;
  readonly copy: Copy<News>;
  /** What others ordered, or what was ordered here and thought to have failed. Not what the first reading brings. */
  readonly onNews: (news: readonly News[]) => void;
  readonly report: (fields: Readonly<Record<string, string | number>>) => void;
}

/**
 * A bounded list that all nodes share, and each has a copy of. Redis has the truth; a node changes it there and then reads, as all others do when the
 * bus says that there is something to read, when they are connected again, and every minute. What a Redis has lost, the nodes write back from their
 * copies.
 */
export class Register<News> {
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #options: RegisterOptions<News>;
  readonly #keys: RegisterKeys;
  readonly #own = new Map<string, OwnChange<News>>();
  /** What Redis lacks. Bounded by the copy. */
  readonly #lost = new Map<string, Restorable>();
  #isRestoring = false;
  #isReady = false;
  /** Up to where it is read: in which process, which life of the register, which write. */
  #runId = "";
  #epoch = "";
  #cursor = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #skipped = 0;

  constructor(options: RegisterOptions<News>) {
    const { link, clock, name, most } = options;
    this.#options = options;
    this.#link = link;
    this.#clock = clock;
    this.#keys = new RegisterKeys(link, name, most);
    void link.subscribe(this.#keys.channel, () => this.#readSoon());
    link.onUp(() => this.#readSoon());
  }

  /** True once it was read as a whole, and from then on. */
  get ready(): boolean {
    return this.#isReady;
  }

  /** Entries that could not be read, each as often as it was. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Behind the start of the link: returns when the first reading has ended, well or not, or takes long. */
  async start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(FIRST_READ_MS, resolve);
    await Promise.race([promise, (this.#reading ?? this.#read()).catch(() => undefined)]);
    cancel();
  }

  /** Once a second. */
  sweep(): void {
    const dueMs = this.#readAtMs + (this.#isReady ? READ_MS : RETRY_MS);
    if (this.#link.isUp && this.#clock.monotonic() >= dueMs) this.#readSoon();
  }

  /**
   * Resolves once Redis has the entry, and the copy too; others have it as soon as the bus brings the word. `draftOf` gets what stands there, when that
   * matters. Rejects OVERLOADED; and UNAVAILABLE, then it may still have been taken, and comes as news.
   */
  async change(field: string, expected: string, draftOf: (stored: Entry | null) => Draft): Promise<void> {
    const own = this.#own.get(field) ?? { running: 0, isDone: false, news: null };
    this.#own.set(field, own);
    own.running += 1;
    try {
      await this.#write(field, expected, draftOf);
      await this.#read();
      own.isDone = true;
    } catch (error) {
      this.#reportRefusal(error);
      throw unavailable(error);
    } finally {
      own.running -= 1;
      if (own.running === 0) this.#own.delete(field);
      // Whoever changes something tells the node about it; only when nobody did is it news.
      if (own.running === 0 && !own.isDone && own.news !== null && this.#isReady) this.#options.onNews([own.news]);
    }
  }

  async #write(field: string, expected: string, draftOf: (stored: Entry | null) => Draft): Promise<void> {
    let stored: string | null = expected;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const draft = draftOf(attempt === 0 ? null : entryOf(field, stored));
      stored = await this.#keys.put(field, draft, stored, null);
      if (stored === null) return;
    }
    throw new ProtocolError("UNAVAILABLE");
  }

  #readSoon(): void {
    this.#readAtMs = this.#clock.monotonic();
    this.#read().catch((error: unknown) => this.#reportRefusal(error));
  }

  /** A reading that begins after this call: one at a time, and all who ask during one share the next. */
  #read(): Promise<void> {
    if (this.#next !== null) return this.#next;
    if (this.#reading === null) return this.#begin();
    const begin = (): Promise<void> => this.#begin();
    this.#next = this.#reading.then(begin, begin);
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = null;
    const reading = this.#readAll().finally(() => {
      if (this.#reading === reading) this.#reading = null;
    });
    this.#reading = reading;
    return reading;
  }

  async #readAll(): Promise<void> {
    const { runId } = this.#link;
    let isWhole = !this.#isReady || runId !== this.#runId;
    let [after, epoch] = isWhole ? [0, ""] : [this.#cursor, this.#epoch];
    let head = after;
    let seen = new Set<string>();
    for (let restarts = 0, isLast = false; !isLast;) {
      const page = await this.#keys.page(after);
      const isAnother = after > 0 && (page.epoch !== epoch || page.head < head);
      if (isAnother && restarts >= MAX_RESTARTS) throw new ProtocolError("UNAVAILABLE");
      if (isAnother) {
        restarts += 1;
        [isWhole, after, head, seen] = [true, 0, 0, new Set()];
        continue;
      }
      [epoch, head, isLast] = [page.epoch, page.head, page.isLast];
      this.#take(page.entries, page.skipped, isWhole && this.#isReady ? seen : null);
      after = page.last ?? after;
    }
    if (isWhole && this.#isReady) this.#findLost(seen);
    // Not `after`: whoever else writes there could have put an entry behind all that are still to come.
    [this.#runId, this.#epoch, this.#cursor, this.#isReady] = [runId, epoch, Math.min(after, head), true];
    if (this.#lost.size > 0) void this.#restore();
  }

  #take(entries: readonly Entry[], unread: number, seen: Set<string> | null): void {
    const { copy, onNews, report, name } = this.#options;
    const all: News[] = [];
    let skipped = unread;
    for (const entry of entries) {
      const taken = copy.take(entry);
      if (taken === null) {
        skipped += 1;
        continue;
      }
      const { field, stored } = entry;
      const { news, better } = taken;
      seen?.add(field);
      if (better === null) this.#lost.delete(field);
      else this.#lost.set(field, { ...better, expected: stored });
      const own = this.#own.get(field);
      if (own !== undefined) own.news = news ?? own.news;
      else if (news !== null) all.push(news);
    }
    if (skipped > 0) {
      this.#skipped += skipped;
      report({ store: name, skipped, inAll: this.#skipped });
    }
    if (this.#isReady && all.length > 0) onNews(all);
  }

  #findLost(seen: ReadonlySet<string>): void {
    for (const kept of this.#options.copy.kept()) {
      if (!seen.has(kept.field)) this.#lost.set(kept.field, { ...kept, expected: "" });
    }
  }

  /** In parts, with a reading behind each: other nodes do the same, and what they have written needs no second time. */
  async #restore(): Promise<void> {
    if (this.#isRestoring) return;
    this.#isRestoring = true;
    this.#options.report({ store: this.#options.name, restoring: this.#lost.size });
    try {
      while (this.#lost.size > 0) {
        const part: Restorable[] = [];
        for (const lost of this.#lost.values()) {
          if (part.length === RESTORED_AT_ONCE) break;
          part.push(lost);
        }
        for (const { field } of part) this.#lost.delete(field);
        await Promise.all(
          part.map(({ field, draft, expected, version }) => this.#keys.put(field, draft, expected, version)),
        );
        await this.#read();
      }
    } catch (error) {
      // What is still missing is found by the next reading, which compares everything.
      this.#lost.clear();
      this.#runId = "";
      this.#reportRefusal(error);
    } finally {
      this.#isRestoring = false;
    }
  }

  #reportRefusal(error: unknown): void {
    const refused = error instanceof ProtocolError ? null : (refusedAs(error) ?? "answer");
    if (refused !== null) this.#options.report({ store: this.#options.name, refused });
  }
}
