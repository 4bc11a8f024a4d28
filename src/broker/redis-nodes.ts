import type { Clock } from "../observe/clock.ts";
import type { AnswerHandler, Answers, Nodes } from "./broker.ts";
import { newLife, nodeIdOf } from "./life.ts";
import { type Leases, leasesOf } from "./leases.ts";
import type { RedisLink } from "./redis/link.ts";
import { announcementIn, textOf } from "./node-messages.ts";
import { ASK, Questions } from "./questions.ts";
import { MAX_NODES, Roster } from "./roster.ts";
import { Script } from "./redis/script.ts";
import { refusedAs } from "./redis/unavailable.ts";

const RENEW = new Script("renew-lease", ["nodes"], ["self", "leaseMs", "limit", "channel", "announcement"]);

export interface NodeTimes {
  /** How long a node lives that says nothing. */
  readonly leaseMs: number;
  readonly renewMs: number;
  /** How long answers are waited for. */
  readonly answerMs: number;
}

const TIMES: NodeTimes = { leaseMs: 15_000, renewMs: 5_000, answerMs: 1_000 };

export interface RedisNodesPorts {
  readonly clock: Clock;
  /** Constant texts, for the log. */
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  readonly report: (error: unknown, correlationId: string) => void;
}

/**
 * Nodes that hold leases in one Redis: an entry in a sorted set whose score is the end by Redis' own clock, renewed every five seconds for
 * fifteen. Who comes or goes in good order says so on the bus, which makes the others read the set at once; the set alone decides.
 */
export class RedisNodes implements Nodes {
  readonly isAlone = false;
  readonly self: string;
  readonly #link: RedisLink;
  readonly #ports: RedisNodesPorts;
  readonly #times: NodeTimes;
  readonly #key: string;
  readonly #channel: string;
  readonly #roster: Roster;
  readonly #questions: Questions;
  readonly #onGone: ((node: string) => void)[] = [];
  readonly #onCome: ((node: string) => void)[] = [];
  /** Nodes of the same NODE_ID that the log knows of. */
  readonly #namesakes = new Set<string>();
  #renewing: Promise<void> | null = null;
  #isRenewalDue = false;
  #wasCutOff = true;
  #isRefused = false;
  /** By how much the clock of Redis is ahead of the monotonic one here. */
  #aheadMs: number | null = null;
  #isStopped = false;
  #rejected = 0;
  #cancel: () => void = () => undefined;

  constructor(nodeId: string, link: RedisLink, ports: RedisNodesPorts, times: Partial<NodeTimes> = {}) {
    this.self = newLife(nodeId);
    this.#link = link;
    this.#ports = ports;
    this.#times = { ...TIMES, ...times };
    this.#key = `${link.prefix}nodes`;
    this.#channel = `${link.channelPrefix}nodes:changes`;
    this.#roster = new Roster(this.self, this.#times.leaseMs);
    this.#questions = new Questions(link, this.#roster, {
      ...{ answerMs: this.#times.answerMs, clock: ports.clock, report: ports.report, key: this.#key },
      redisNow: () => (this.#aheadMs === null ? null : ports.clock.monotonic() + this.#aheadMs),
      read: (leases) => this.#read(leases),
    });
    link.onUp(() => this.#returned());
  }

  get alive(): ReadonlySet<string> {
    return this.#roster.alive;
  }

  /** Messages and entries of the set that no node has made. */
  get rejected(): number {
    return this.#rejected + this.#questions.rejected;
  }

  onGone(run: (node: string) => void): void {
    this.#onGone.push(run);
  }

  onCome(run: (node: string) => void): void {
    this.#onCome.push(run);
  }

  ask(question: string, body: unknown): Answers | Promise<Answers> {
    return this.#questions.ask(question, body);
  }

  answer(question: string, handle: AnswerHandler): void {
    this.#questions.handlers.add(question, handle);
  }

  /** To be called before the link starts. The node has come when its first lease is taken. */
  async prepare(): Promise<void> {
    await Promise.all([this.#questions.start(), this.#link.subscribe(this.#channel, (text) => this.#announced(text))]);
  }

  /** To be called when the link's first attempts have ended: returns when the others know of this node, or cannot. */
  async start(): Promise<void> {
    this.#tick();
    await this.#renewing;
  }

  /** Says goodbye: the others need not wait for the end of its lease. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#renewing;
    const goodbye = textOf({ node: this.self, is: "gone" });
    const said = [
      this.#link.command(["ZREM", this.#key, this.self]),
      this.#link.command(["PUBLISH", this.#channel, goodbye]),
    ];
    await Promise.allSettled(said);
  }

  #returned(): void {
    this.#wasCutOff = true;
    this.#roster.returned(this.#ports.clock.monotonic());
    // Known before the first question, which then stays before whatever is published after it.
    this.#link.command(["SCRIPT", "LOAD", ASK.source]).catch(() => undefined);
    this.#renew();
  }

  #tick(): void {
    this.#cancel();
    this.#cancel = this.#ports.clock.after(this.#times.renewMs, () => this.#tick());
    this.#renew();
  }

  /** One at a time; whoever asks meanwhile gets one more behind it. */
  #renew(): void {
    if (this.#isStopped || !this.#link.isUp) return;
    if (this.#renewing !== null) {
      this.#isRenewalDue = true;
      return;
    }
    this.#isRenewalDue = false;
    this.#renewing = this.#renewOnce().finally(() => {
      this.#renewing = null;
      if (this.#isRenewalDue) this.#renew();
    });
  }

  async #renewOnce(): Promise<void> {
    const announcement = textOf({ node: this.self, is: "come" });
    const args = {
      ...{ self: this.self, leaseMs: String(this.#times.leaseMs), limit: String(MAX_NODES) },
      ...{ channel: this.#channel, announcement },
    };
    let refused: string | null = null;
    const leases = await this.#link.run(RENEW, { nodes: this.#key }, args).then(leasesOf, (error: unknown) => {
      refused = refusedAs(error);
      return null;
    });
    // The link says by itself when Redis is away.
    if (leases !== null || this.#link.isUp) this.#refused(leases === null, refused ?? "answer");
    if (leases === null) return;
    if (this.#wasCutOff) this.#aheadMs = null;
    if (leases.flag || this.#wasCutOff) this.#tell(this.#onCome, this.self);
    this.#wasCutOff = false;
    // Its lease was there: with it Redis has lost those of others, who are about to take theirs again.
    if (leases.flag) this.#roster.returned(this.#ports.clock.monotonic());
    this.#read(leases);
  }

  #refused(isRefused: boolean, refused: string): void {
    if (isRefused && !this.#isRefused) this.#ports.warn({ refused }, "Redis does not take the lease of this node");
    this.#isRefused = isRefused;
  }

  #read({ nowMs, ends, bad }: Leases): void {
    this.#rejected += bad;
    const readAtMs = this.#ports.clock.monotonic();
    if (!ends.has(this.self)) {
      this.#roster.returned(readAtMs);
      this.#renew();
    }
    // What came late makes Redis seem behind, never ahead.
    this.#aheadMs = Math.max(this.#aheadMs ?? Number.NEGATIVE_INFINITY, nowMs - readAtMs);
    const { come, gone, renewed } = this.#roster.read(ends, readAtMs);
    for (const node of renewed) this.#warnOfNamesake(node);
    for (const node of gone) {
      this.#namesakes.delete(node);
      this.#questions.forget(node);
      this.#tell(this.#onGone, node);
    }
    for (const node of come) this.#tell(this.#onCome, node);
  }

  #tell(listeners: readonly ((node: string) => void)[], node: string): void {
    for (const run of listeners) {
      try {
        run(node);
      } catch (error) {
        this.#ports.report(error, crypto.randomUUID());
      }
    }
  }

  /** A lease that is left over from before a crash is not renewed, so only a process that runs is a namesake. */
  #warnOfNamesake(node: string): void {
    if (nodeIdOf(node) !== nodeIdOf(this.self) || this.#namesakes.has(node)) return;
    this.#namesakes.add(node);
    this.#ports.warn({ other: node, self: this.self }, "another node that runs has the same NODE_ID: logs mix them up");
  }

  #announced(text: string): void {
    const announcement = announcementIn(text);
    if (announcement === null) return void (this.#rejected += 1);
    const { node, is } = announcement;
    if (node === this.self) return;
    if (is === "gone") this.#roster.left(node);
    this.#renew();
  }
}
