import type { Clock } from "../observe/clock.ts";
import type { WireUser } from "../protocol/server-frames.ts";
import type { Nodes, PresenceListener, PresenceStore } from "./broker.ts";
import { NO_NODE, PresenceMirror } from "./presence-mirror.ts";
import { COMMAND_TIMEOUT_MS } from "./redis/connection.ts";
import type { RedisLink } from "./redis/link.ts";
import { changeText, fieldOf, MAX_CHANGES, readPresence, typingText } from "./redis/presence-bus.ts";
import { PresenceHash, type Steps, stepsOf } from "./redis/presence-hash.ts";
import { PresenceTopic } from "./redis/presence-topic.ts";
import { shardOf } from "./redis/shards.ts";
import { withTimeLimit } from "./redis/time-limit.ts";

export interface RedisPresenceOptions {
  /** How long the users of a dead node stay on Redis. They count no longer, but it may be there again. */
  readonly reapAfterMs: number;
  /** How long users are believed that Redis has lost: until then their nodes have said so again. */
  readonly doubtMs: number;
  /** How long a topic is looked at that nobody is in any more, or that somebody asked about. */
  readonly lingerMs: number;
  /** A topic has a few jobs at once in so long: what is told is told soon, and who comes with many others waits for the next batch. */
  readonly windowMs: number;
}

const OPTIONS: RedisPresenceOptions = { reapAfterMs: 30_000, doubtMs: 15_000, lingerMs: 5_000, windowMs: 50 };

/** A topic is compared as a whole this often, which also keeps its hash: what went wrong unseen is not wrong for ever. */
const COMPARE_MS = 1_200_000;
/** Topics that are busy with Redis at once: after an outage all of them have to be read. */
const MAX_JOBS = 32;
/** After Redis has refused, or did not answer. */
const RETRY_MS = 1_000;
/** Topics that are kept though nobody is in them, while Redis is not there to be told. */
const MAX_LINGERING = 50_000;
const STOP_MS = 2_000;
/** A join waits for it. */
const OPEN_MS = 1_000;

interface Ports {
  /** One for each Redis that topics are kept on. */
  readonly links: readonly RedisLink[];
  readonly nodes: Nodes;
  readonly clock: Clock;
  readonly listener: () => PresenceListener;
}

/** Presence over a Redis: a hash per topic, a channel that tells its changes in order, and what this node has heard of both. */
export class RedisPresence implements PresenceStore {
  readonly isShared = true;
  /** Messages and entries that were none, and topics that were given up while Redis was away. */
  rejected = 0;
  readonly #ports: Ports;
  readonly #options: RedisPresenceOptions;
  readonly #topics = new Map<string, PresenceTopic>();
  /** Wait for their turn, each once. */
  readonly #waiting = new Set<PresenceTopic>();
  #jobs = 0;

  constructor(ports: Ports, options: Partial<RedisPresenceOptions> = {}) {
    this.#ports = ports;
    this.#options = { ...OPTIONS, ...options };
    for (const link of ports.links) link.onUp(() => this.#readAll(link));
    ports.nodes.onGone((node) => this.#turn(node, false));
    ports.nodes.onCome((node) => this.#turn(node, true));
  }

  open(name: string): void | Promise<void> {
    const topic = this.#topic(name);
    if (topic.opening === null) {
      if (topic.isTried || !topic.hash.link.isUp) return;
      // Ahead of all that wait: somebody waits for it.
      this.#waiting.delete(topic);
      void this.#work(topic);
    }
    // A Redis that hangs is noticed later than anybody should wait for a number; the next one does not wait at all.
    return withTimeLimit(topic.opening ?? Promise.resolve(), OPEN_MS, this.#ports.clock).catch(() => {
      topic.opening = null;
    });
  }

  follow(name: string): void {
    const topic = this.#topic(name);
    topic.isFollowed = true;
    this.#due(topic);
  }

  unfollow(name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    topic.isFollowed = false;
    topic.idleSinceMs = this.#ports.clock.monotonic();
  }

  joined(name: string, id: string, { userId, username }: WireUser): void {
    const topic = this.#topic(name);
    topic.joined(id, { userId, username });
    this.#due(topic);
  }

  left(name: string, id: string, { userId, username }: WireUser, holdMs: number): void {
    const topic = this.#topic(name);
    topic.left(id, { userId, username }, holdMs, this.#ports.clock.monotonic());
    this.#due(topic);
  }

  typing(name: string, user: WireUser, isTyping: boolean): void {
    const { nodes } = this.#ports;
    if (nodes.alive.size === 1 && nodes.alive.has(nodes.self)) return;
    const { hash } = this.#topic(name);
    hash.publish(typingText(nodes.self, user, isTyping)).catch(() => undefined);
  }

  elsewhere(name: string): Iterable<readonly [id: string, user: WireUser]> {
    return this.#topics.get(name)?.mirror.users() ?? [];
  }

  sweep(): void {
    const nowMs = this.#ports.clock.monotonic();
    let lingering = 0;
    for (const [name, topic] of this.#topics) {
      const expired = topic.mirror.sweep(nowMs);
      if (expired.length > 0) this.#clean(topic, { expired: expired.map((id) => fieldOf(NO_NODE, id)) });
      for (const { node, ids } of topic.mirror.reapable(nowMs, MAX_CHANGES)) {
        const removed = ids.map((id) => fieldOf(node, id));
        this.#clean(topic, { removed }, { node, by: this.#ports.nodes.self, joined: [], left: ids, held: [] });
      }
      if (nowMs - topic.readAtMs > COMPARE_MS && topic.isFollowed) topic.isStale = true;
      if (topic.isDue) this.#due(topic);
      if (topic.isFollowed) continue;
      lingering += 1;
      const isOver = nowMs - topic.idleSinceMs > this.#options.lingerMs;
      if (isOver && (topic.isIdle || (lingering > MAX_LINGERING && topic.isEmptyHere))) this.#drop(name, topic);
    }
  }

  async stop(): Promise<void> {
    const { clock } = this.#ports;
    const endMs = clock.monotonic() + STOP_MS;
    for (const topic of this.#topics.values()) {
      while (topic.hasUntold && topic.hash.link.isUp && clock.monotonic() < endMs) {
        await this.#tell(topic).catch(() => undefined);
        if (topic.isStale) break;
      }
    }
  }

  #topic(name: string): PresenceTopic {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const { nodes, clock, listener, links } = this.#ports;
    const hash = new PresenceHash(shardOf(links, name), name);
    const { self, alive } = nodes;
    const mirror = new PresenceMirror(
      { self, isAlive: (node) => alive.has(node), reapAfterMs: this.#options.reapAfterMs },
      {
        came: (id, user) => listener().came(name, id, user),
        went: (id) => listener().went(name, id),
      },
    );
    const topic = new PresenceTopic(hash, self, mirror, clock.monotonic());
    this.#topics.set(name, topic);
    return topic;
  }

  #drop(name: string, topic: PresenceTopic): void {
    if (topic.isDue) this.rejected += 1;
    this.#topics.delete(name);
    this.#waiting.delete(topic);
    topic.isDropped = true;
    const { link, channel } = topic.hash;
    link.unsubscribe(channel);
  }

  #readAll(link: RedisLink): void {
    for (const topic of this.#topics.values()) {
      if (topic.hash.link !== link) continue;
      topic.isStale = true;
      this.#due(topic);
    }
  }

  #turn(node: string, isAlive: boolean): void {
    const nowMs = this.#ports.clock.monotonic();
    const isOwn = node === this.#ports.nodes.self;
    for (const topic of this.#topics.values()) {
      // Others may have taken this node for dead, and its users off.
      if (isOwn) topic.isStale = true;
      else topic.mirror.turn(node, isAlive, nowMs);
      if (isOwn) this.#due(topic);
    }
  }

  /** While there is no connection nothing is due: the next one reads all topics anew. */
  #due(topic: PresenceTopic): void {
    if (topic.isBusy || topic.isDropped || !topic.hash.link.isUp) return;
    topic.isBusy = true;
    this.#waiting.add(topic);
    // Behind what else happens in this turn, which may be the same topic's.
    if (this.#waiting.size === 1) queueMicrotask(() => this.#next());
  }

  #next(): void {
    for (const topic of this.#waiting) {
      if (this.#jobs >= MAX_JOBS) return;
      this.#waiting.delete(topic);
      void this.#work(topic);
    }
  }

  #work(topic: PresenceTopic): Promise<void> {
    const done = this.#run(topic);
    if (!topic.isTried) {
      topic.isTried = true;
      topic.opening = done.finally(() => {
        topic.opening = null;
      });
    }
    return done;
  }

  /** Reads the topic when that is needed, and tells one batch. Never rejects. */
  async #run(topic: PresenceTopic): Promise<void> {
    topic.isBusy = true;
    this.#jobs += 1;
    let pauseMs = 0;
    try {
      if (!topic.isSubscribed) await this.#subscribe(topic);
      if (topic.isStale) await this.#read(topic);
      if (topic.hasUntold) await this.#tell(topic);
      pauseMs = topic.pauseMs(this.#ports.clock.monotonic(), this.#options.windowMs);
    } catch {
      // What Redis did not take is still untold, and the whole is compared again.
      topic.isStale = true;
      pauseMs = RETRY_MS;
    }
    this.#jobs -= 1;
    if (pauseMs > 0) this.#ports.clock.after(pauseMs, () => this.#end(topic));
    else this.#end(topic);
    this.#next();
  }

  #end(topic: PresenceTopic): void {
    topic.isBusy = false;
    if (topic.isDue) this.#due(topic);
  }

  async #subscribe(topic: PresenceTopic): Promise<void> {
    const { link, channel } = topic.hash;
    const subscribed = link.subscribe(channel, (raw) => this.#hear(topic, raw));
    await withTimeLimit(subscribed, COMMAND_TIMEOUT_MS, this.#ports.clock);
    topic.isSubscribed = true;
  }

  async #read(topic: PresenceTopic): Promise<void> {
    const { clock } = this.#ports;
    const { link } = topic.hash;
    topic.startReading();
    try {
      const snapshot = await topic.hash.read(() => clock.monotonic());
      const nowMs = clock.monotonic();
      this.rejected += snapshot.skipped;
      topic.install(snapshot, link.runId, nowMs, nowMs + this.#options.doubtMs);
    } catch (error) {
      topic.stopReading();
      throw error;
    }
  }

  async #tell(topic: PresenceTopic): Promise<void> {
    const batch = topic.take();
    const { self } = this.#ports.nodes;
    try {
      await topic.hash.change(stepsOf(self, batch.told), changeText({ node: self, by: self, ...batch.told }));
    } catch (error) {
      topic.putBack(batch);
      throw error;
    }
  }

  /** Takes out those whom nobody tells of any more. What fails is found again. */
  #clean(topic: PresenceTopic, steps: Partial<Steps>, told?: Parameters<typeof changeText>[0]): void {
    if (!topic.hash.link.isUp) return;
    topic.hash.change(steps, told === undefined ? "{}" : changeText(told)).catch(() => undefined);
  }

  #hear(topic: PresenceTopic, raw: string): void {
    const heard = readPresence(raw);
    if (heard === null) {
      this.rejected += 1;
      return;
    }
    if (!("typing" in heard)) {
      topic.hear(heard, this.#ports.clock.monotonic());
      if (topic.isDue) this.#due(topic);
    } else if (heard.by !== this.#ports.nodes.self) {
      const [userId, username, isTyping] = heard.typing;
      this.#ports.listener().typed(topic.hash.topic, { userId, username }, isTyping);
    }
  }
}
