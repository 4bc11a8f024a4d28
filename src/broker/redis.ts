import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Broker, BrokerHeld, Deliver, Entrance, History, Lose, Position, Publication } from "./broker.ts";
import { readBusMessage } from "./redis/bus-message.ts";
import { COMMAND_TIMEOUT_MS } from "./redis/connection.ts";
import { FollowedTopic } from "./redis/followed-topic.ts";
import type { RedisLink } from "./redis/link.ts";
import { type StreamBounds, Streams } from "./redis/streams.ts";

interface Ports {
  /** One for each Redis that topics are kept on. */
  readonly links: readonly RedisLink[];
  readonly clock: Clock;
  readonly deliver: Deliver;
  readonly lose: Lose;
}

interface Entering {
  readonly entrance: Entrance;
  readonly followed: FollowedTopic;
}

/** Over how long every followed topic is compared with Redis once, which also keeps it from ending. */
const AUDIT_MS = 600_000;
/** Topics that are repaired at once after an outage. */
const REPAIRS_AT_ONCE = 256;
/** How often a join reads again because live delivery went on in another epoch meanwhile. */
const MAX_READS = 5;

/** Messages over one Redis or several: streams hold history, scripts keep offset and publish one, the bus is Redis's own publish and subscribe. */
export class RedisBroker implements Broker {
  readonly name = "redis";
  readonly evictedTopics = 0;
  readonly droppedMessageIds = 0;
  readonly #streams: Streams;
  readonly #links: readonly RedisLink[];
  readonly #clock: Clock;
  readonly #deliver: Deliver;
  readonly #lose: Lose;
  readonly #topics = new Map<string, FollowedTopic>();
  /** Those that Redis did not answer for. */
  readonly #broken = new Set<FollowedTopic>();
  #foreignMessages = 0;
  #audit: Iterator<FollowedTopic> | null = null;

  constructor(bounds: StreamBounds, { links, clock, deliver, lose }: Ports) {
    this.#streams = new Streams(bounds, links);
    this.#links = links;
    this.#clock = clock;
    this.#deliver = deliver;
    this.#lose = lose;
    for (const link of links) link.onUp(() => void this.#repairAll(link));
  }

  get ready(): boolean {
    return this.#links.every(({ isUp }) => isUp);
  }

  /** Messages on the bus that no node has written: none of them went to anybody. */
  get foreignMessages(): number {
    return this.#foreignMessages;
  }

  /** The same in streams, each as often as it was read. */
  get foreignEntries(): number {
    return this.#streams.foreignMessages;
  }

  /** The topics that this node follows; everything else is in Redis. */
  get held(): BrokerHeld {
    return { positions: this.#topics.size };
  }

  publish(publication: Publication, keepsHistory: boolean): Promise<Position> {
    return this.#streams.publish(publication, keepsHistory);
  }

  async position(topic: string): Promise<Position> {
    const followed = this.#topics.get(topic);
    if (followed?.isLive === true) return followed.position;
    const { offset: standing, epoch: epochOfIt } = await this.#read(topic, null, 0);
    return { offset: standing, epoch: epochOfIt };
  }

  history(topic: string, since: Position | null, limit: number): Promise<History> {
    return this.#read(topic, since, limit);
  }

  async enter<T>(entrances: readonly Entrance[], use: (histories: readonly History[]) => T | Promise<T>): Promise<T> {
    const entering = entrances.map((entrance) => ({ entrance, followed: this.#hold(entrance.topic) }));
    const readers = entering.map(({ followed }) => followed.beginReading());
    try {
      for (let reads = 0; reads < MAX_READS; reads += 1) {
        const read = await this.#inTime(Promise.all(entering.map((each) => this.#missed(each))));
        // From here on in one step: nothing is delivered in between.
        const histories = meet(entering, read);
        if (histories !== null) return use(histories);
      }
      throw new ProtocolError("UNAVAILABLE");
    } finally {
      for (const [index, { followed }] of entering.entries()) {
        const reader = readers[index];
        if (reader !== undefined) followed.endReading(reader);
        this.unfollow(followed.topic);
      }
    }
  }

  follow(topic: string): void {
    this.#hold(topic);
  }

  unfollow(topic: string): void {
    const followed = this.#topics.get(topic);
    if (followed === undefined) return;
    followed.followers -= 1;
    if (followed.followers > 0) return;
    this.#topics.delete(topic);
    this.#broken.delete(followed);
    this.#streams.linkOf(topic).unsubscribe(this.#streams.channelOf(topic));
  }

  /** Repairs what could not be repaired, and compares some of the followed topics with Redis: all of them once in ten minutes. */
  sweep(): void {
    if (this.#broken.size > 0 && this.ready) {
      const broken = [...this.#broken];
      this.#broken.clear();
      void this.#repairEach(broken);
    }
    const count = Math.ceil((this.#topics.size * 1_000) / AUDIT_MS);
    for (let n = 0; n < count; n += 1) {
      this.#audit ??= this.#topics.values();
      const next = this.#audit.next();
      if (next.done === true) this.#audit = null;
      else void this.#compare(next.value);
    }
  }

  stop(): Promise<void> {
    // What is on its way yet is delivered to nobody.
    for (const topic of this.#topics.keys()) this.#streams.linkOf(topic).unsubscribe(this.#streams.channelOf(topic));
    this.#topics.clear();
    return Promise.resolve();
  }

  /** The topic, followed once more. */
  #hold(topic: string): FollowedTopic {
    let followed = this.#topics.get(topic);
    if (followed === undefined) {
      followed = new FollowedTopic(topic, {
        read: (name, since) => this.#read(name, since, since === null ? 0 : Number.POSITIVE_INFINITY),
        deliver: this.#deliver,
        lose: this.#lose,
      });
      this.#topics.set(topic, followed);
      void this.#subscribe(followed);
    }
    followed.followers += 1;
    return followed;
  }

  async #subscribe(followed: FollowedTopic): Promise<void> {
    const { topic } = followed;
    const subscribing = this.#streams.linkOf(topic).subscribe(this.#streams.channelOf(topic), (text) => {
      const message = readBusMessage(text);
      if (message === null) this.#foreignMessages += 1;
      else followed.take(message);
    });
    // Where this fails the link comes up again, and everything with it.
    await subscribing.then(
      () => this.#repair(followed),
      () => undefined,
    );
  }

  async #missed({ entrance, followed }: Entering): Promise<History> {
    await followed.live;
    const { topic, since } = entrance;
    if (since === null) return { ...followed.position, messages: [], recovered: true };
    const history = await this.#read(topic, since, Number.POSITIVE_INFINITY);
    await followed.reached(history);
    return history;
  }

  /** Nobody waits longer for a bus than for a command. */
  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(COMMAND_TIMEOUT_MS, () => reject(new ProtocolError("UNAVAILABLE")));
      void work.then(resolve, reject).finally(cancel);
    });
  }

  #read(topic: string, since: Position | null, limit: number): Promise<History> {
    return this.#streams.read(topic, since, limit, this.#topics.has(topic));
  }

  async #compare(followed: FollowedTopic): Promise<void> {
    const before = followed.position;
    const now = await this.#read(followed.topic, null, 0).catch(() => null);
    // What was published in between is on its way.
    const isBehind = now !== null && now.offset > before.offset && followed.position.offset === before.offset;
    if (now !== null && followed.isLive && (now.epoch !== followed.position.epoch || isBehind))
      await this.#repair(followed);
  }

  async #repair(followed: FollowedTopic): Promise<void> {
    if (this.#topics.get(followed.topic) !== followed) return;
    if (!(await followed.repair())) this.#broken.add(followed);
  }

  /** After an outage: what the bus told meanwhile is read from the streams, some topics at a time. */
  async #repairAll(link: RedisLink): Promise<void> {
    const topics = [...this.#topics.values()].filter(({ topic }) => this.#streams.linkOf(topic) === link);
    for (const followed of topics) followed.interrupt();
    await this.#repairEach(topics);
  }

  async #repairEach(topics: FollowedTopic[]): Promise<void> {
    const next = async (): Promise<void> => {
      for (let followed = topics.pop(); followed !== undefined; followed = topics.pop()) await this.#repair(followed);
    };
    await Promise.all(Array.from({ length: Math.min(REPAIRS_AT_ONCE, topics.length) }, next));
  }
}

/** All of what was read, up to now; null where the two do not meet. */
function meet(entering: readonly Entering[], read: readonly History[]): readonly History[] | null {
  const histories: History[] = [];
  for (const [index, { followed }] of entering.entries()) {
    const missed = read[index];
    const history = missed === undefined ? null : followed.upToNow(missed);
    if (history === null) return null;
    histories.push(history);
  }
  return histories;
}
