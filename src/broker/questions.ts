import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Answers } from "./broker.ts";
import { HandlerTable } from "./handler-table.ts";
import { type Leases, leasesOf } from "./leases.ts";
import { MAX_BUS_LENGTH, type RedisLink } from "./redis/link.ts";
import { answerIn, type QuestionMessage, questionIn, textOf } from "./node-messages.ts";
import { namesOf, Poll } from "./poll.ts";
import { MAX_NODES, type Roster } from "./roster.ts";
import { Script } from "./redis/script.ts";

export const ASK = new Script("ask-nodes", ["nodes"], ["limit", "channel", "question", "deadlineMs"]);

/** Questions that wait for answers, and questions of others that are being answered. */
const MAX_OPEN = 1_000;

export interface QuestionOptions {
  /** How long answers are waited for. */
  readonly answerMs: number;
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
  /** The set of the leases. */
  readonly key: string;
  /** What time it is for Redis, as far as that is known; null before it was heard. */
  readonly redisNow: () => number | null;
  /** Told of the leases that came with a question. */
  readonly read: (leases: Leases) => void;
}

/**
 * Questions over the bus: each goes to a channel that all nodes follow, the answers to a channel of the node that asks. Redis says in the
 * same step who lives, so that nobody is waited for who is gone, and nobody forgotten who has just come.
 */
export class Questions {
  readonly handlers = new HandlerTable();
  readonly #link: RedisLink;
  readonly #roster: Roster;
  readonly #options: QuestionOptions;
  readonly #channel: string;
  readonly #open = new Map<string, Poll>();
  /** Did not answer in time, and were not heard of since. */
  readonly #silent = new Set<string>();
  #count = 0;
  #answering = 0;
  #rejected = 0;

  constructor(link: RedisLink, roster: Roster, options: QuestionOptions) {
    this.#link = link;
    this.#roster = roster;
    this.#options = options;
    this.#channel = `${link.channelPrefix}questions`;
  }

  /** Messages that were none. */
  get rejected(): number {
    return this.#rejected;
  }

  async start(): Promise<void> {
    await Promise.all([
      this.#link.subscribe(this.#channel, (text) => this.#asked(text)),
      this.#link.subscribe(this.#channelOf(this.#roster.self), (text) => this.#answered(text)),
    ]);
  }

  /** Nobody waits for a node that is gone. */
  forget(node: string): void {
    this.#silent.delete(node);
  }

  ask(question: string, body: unknown): Answers | Promise<Answers> {
    const { self } = this.#roster;
    this.#count += 1;
    const id = String(this.#count);
    const text = textOf({ id, from: self, question, body });
    const nowMs = this.#options.redisNow();
    if (!this.#link.isUp || nowMs === null || this.#open.size >= MAX_OPEN || text.length > MAX_BUS_LENGTH) {
      return { answers: [], missing: namesOf(this.#others()) };
    }
    const poll = new Poll();
    this.#open.set(id, poll);
    const cancel = this.#options.clock.after(this.#options.answerMs, () => {
      for (const node of poll.silent) if (this.#roster.alive.has(node)) this.#silent.add(node);
      this.#end(id, poll);
    });
    const deadlineMs = String(Math.ceil(nowMs + this.#options.answerMs));
    const args = { limit: String(MAX_NODES), channel: this.#channel, question: text, deadlineMs };
    this.#link.run(ASK, { nodes: this.#options.key }, args).then(
      (answer) => this.#reached(id, poll, leasesOf(answer)),
      () => this.#end(id, poll),
    );
    return poll.promise.finally(cancel);
  }

  #reached(id: string, poll: Poll, leases: Leases | null): void {
    if (leases !== null) this.#options.read(leases);
    poll.reached(new Set(this.#others()), (node) => !this.#silent.has(node));
    if (poll.isComplete || leases?.flag !== true) this.#end(id, poll);
  }

  #end(id: string, poll: Poll): void {
    if (this.#open.delete(id)) poll.end(this.#others());
  }

  #others(): string[] {
    return [...this.#roster.alive].filter((node) => node !== this.#roster.self);
  }

  #answered(text: string): void {
    const message = answerIn(text);
    if (message === null || message.node === this.#roster.self) return void (this.#rejected += 1);
    const { id, node, refused, body } = message;
    this.#silent.delete(node);
    const poll = this.#open.get(id);
    poll?.heard(node, refused === true ? null : { node, body });
    if (poll?.isComplete === true) this.#end(id, poll);
  }

  #asked(text: string): void {
    const message = questionIn(text);
    if (message === null) return void (this.#rejected += 1);
    if (message.from === this.#roster.self) return;
    this.#silent.delete(message.from);
    const handle = this.handlers.get(message.question);
    if (handle === undefined || this.#answering >= MAX_OPEN) return this.#reply(message, { refused: true });
    this.#answering += 1;
    void Promise.try(handle, message.body)
      .then((body: unknown) => this.#reply(message, { body }))
      .catch((error: unknown) => this.#refuse(message, error))
      .finally(() => {
        this.#answering -= 1;
      });
  }

  #refuse(message: QuestionMessage, error: unknown): void {
    if (!(error instanceof ProtocolError)) this.#options.report(error, crypto.randomUUID());
    this.#reply(message, { refused: true });
  }

  #reply({ id, from }: QuestionMessage, answer: { readonly refused: true } | { readonly body: unknown }): void {
    const { self } = this.#roster;
    const text = textOf({ id, node: self, ...answer });
    const said = text.length <= MAX_BUS_LENGTH ? text : textOf({ id, node: self, refused: true });
    // Who hears no answer has a time limit of its own.
    this.#link.command(["PUBLISH", this.#channelOf(from), said]).catch(() => undefined);
  }

  #channelOf(node: string): string {
    return `${this.#link.channelPrefix}answers:${node}`;
  }
}
