import type { Clock } from "../observe/clock.ts";
import type { Client, ClientEvents } from "./client.ts";
import { Connection, type ConnectionPorts } from "./connection.ts";
import { onAbort } from "./abort.ts";
import { Emitter } from "./emitter.ts";
import { TautlineError } from "./error.ts";
import type { Frame } from "./frame.ts";
import { Membership, type MembershipPorts } from "./membership.ts";
import type { ConnectOptions } from "./options.ts";
import { Outbox, type Outgoing } from "./outbox.ts";
import type { Status } from "./status.ts";
import { steadyClock } from "./steady-clock.ts";
import { stream } from "./stream.ts";
import type { Room, Topic, TopicOptions, Waiting } from "./topic.ts";
import { milliseconds } from "./verdict.ts";

const MAX_MESSAGES = 1_000;
const MAX_LENGTH = 1_048_576;
const AGAIN_MS = 5_000;

/** What goes over the connections of a client, one after the other. Applications see of it what `Client` says. */
export class Session extends Emitter<ClientEvents> implements Client, ConnectionPorts, MembershipPorts {
  readonly #clock: Clock;
  readonly #topics = new Map<string | undefined, Membership>();
  /** What is being left: what comes of a topic before the answer is not for who joins it next. */
  readonly #leaving = new Map<string | undefined, Membership>();
  readonly #outbox: Outbox;
  readonly #connection: Connection;
  /** Its signal, which is an option of `addEventListener`, takes the listeners away that others keep. */
  readonly #over = new AbortController();
  /** Counts the connections that have ended. */
  #ended = 0;
  #lastId = 0;
  #cancelPump: (() => void) | undefined;

  constructor(url: string, options: ConnectOptions) {
    super();
    const { clock = steadyClock(), maxQueuedMessages = MAX_MESSAGES, maxQueuedBytes = MAX_LENGTH } = options;
    this.#clock = clock;
    this.#outbox = new Outbox(maxQueuedMessages, maxQueuedBytes);
    this.#connection = new Connection(url, options, clock, this);
    this.#connection.trigger("due");
    globalThis.addEventListener?.("online", () => this.#connection.trigger("online"), this.#over);
    this.#over.signal.addEventListener(
      "abort",
      onAbort(options, () => void this.close()),
    );
  }

  get status(): Status {
    return this.#connection.status;
  }

  statuses(options?: Waiting): AsyncIterableIterator<Status> {
    return stream(this, "status", this.status.state === "closed", options);
  }

  join(roomSlug: string, options?: TopicOptions): Room {
    return this.#member(`room:${roomSlug}`, options);
  }

  topic(name: string, options?: TopicOptions): Topic {
    return this.#member(name, options);
  }

  reconnectNow(): void {
    this.#connection.trigger("reconnectNow");
  }

  close(): Promise<void> {
    this.#over.abort();
    return this.#connection.close();
  }

  /** Of a membership: joins, and once more where messages are missing. */
  async rejoin(membership: Membership): Promise<void> {
    const { inbox, name: topic } = membership;
    const ended = this.#ended;
    const isOver = (): unknown => ended !== this.#ended || membership.isOver;
    inbox.joins();
    try {
      const token = await membership.token?.();
      if (isOver()) return;
      const frame = { type: "subscribe", topic, recover: inbox.position ?? undefined, token };
      this.#add(frame, {
        joins: membership,
        // At once: what comes next counts on it.
        resolve: (answer) => isOver() || membership.joinedWith(answer),
        reject: (error) => this.#drop(membership, error),
      });
    } catch (cause) {
      if (isOver()) return;
      const error = new TautlineError("TOKEN_FAILED", { cause });
      if (!inbox.position) return this.#drop(membership, error);
      // It was a member before: what gives tokens may be away for as long as the network was.
      this.emit("error", error);
      this.again(() => void this.rejoin(membership));
    }
  }

  /** Of what had no token: once more, when there is the same connection then. */
  again(run: () => void): void {
    const ended = this.#ended;
    const cancel = this.#clock.after(AGAIN_MS, () => {
      this.ends.delete(cancel);
      if (ended === this.#ended) run();
    });
    this.ends.add(cancel);
  }

  /** Of a membership: a request about its topic, which is made again after a break. */
  async request(membership: Membership, frame: object, options: Waiting): Promise<Frame> {
    options.signal?.throwIfAborted();
    if (this.status.state === "closed") throw new TautlineError("CLOSED");
    if (membership.isOver) throw new TautlineError("LEFT");
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    const id = this.#add({ ...frame, topic: membership.name }, { place: membership, resolve, reject });
    const forget = onAbort(options, () => {
      this.#outbox.take(id);
      reject(options.signal?.reason);
    });
    try {
      return await promise;
    } finally {
      forget();
    }
  }

  /** Of a membership: at once, or not at all. */
  send(frame: object): void {
    this.#connection.send(JSON.stringify(frame));
  }

  /** Of a membership. */
  async leave(membership: Membership): Promise<void> {
    const { isOver, name: topic } = membership;
    this.#drop(membership, new TautlineError("LEFT"), "OK");
    if (isOver || !this.#connection.isConnected) return;
    this.#leaving.set(topic, membership);
    await new Promise((done) => {
      // At once: the next frame may be for who joined meanwhile.
      const resolve = (): void => done(this.#leaving.get(topic) === membership && this.#leaving.delete(topic));
      this.#add({ type: "unsubscribe", topic }, { resolve, reject: resolve });
    });
  }

  /** Of the connection. */
  greeted(): void {
    for (const membership of this.#topics.values()) void this.rejoin(membership);
    this.#pump();
  }

  /** Of the connection. */
  receive(frame: Frame): void {
    const { type, id, topic, roomSlug, code = "INTERNAL" } = frame;
    const name = roomSlug ? `room:${roomSlug}` : topic;
    const membership = this.#topics.get(name);
    if (type === "error") this.#failed(frame);
    else if (this.#outbox.answer(id, frame)) this.#pump();
    // An answer that nobody waits for any more looks like a message: it has a position.
    else if (!membership || id || this.#leaving.has(name)) return;
    else if (type === "unsubscribed") this.#drop(membership, new TautlineError(code));
    else membership.receive(frame);
  }

  /** Of the connection. */
  lost(): void {
    this.#ended += 1;
    for (const membership of this.#topics.values()) membership.isJoined = false;
    this.#outbox.lost();
    this.#outbox.end(new TautlineError("LEFT"));
    this.#pump();
  }

  /** Of the connection: nothing is tried any more. */
  ended(): void {
    const error = new TautlineError("CLOSED");
    this.#outbox.end(error, true);
    for (const membership of this.#topics.values()) membership.pause(error);
    this.finish();
    this.#pump();
  }

  #member(topic: string, options: TopicOptions = {}): Room {
    let membership = this.#topics.get(topic);
    if (membership) return membership;
    membership = new Membership(topic, options, this);
    if (this.status.state === "closed") this.#drop(membership, new TautlineError("CLOSED"));
    else this.#topics.set(topic, membership);
    membership.on(
      "left",
      onAbort(options, () => void this.leave(membership)),
    );
    if (this.#connection.isConnected) void this.rejoin(membership);
    return membership;
  }

  #add(frame: object, answers: Omit<Outgoing, "id" | "json" | "isMessage">): number {
    const id = ++this.#lastId;
    this.#outbox.add({ ...answers, id, isMessage: "messageId" in frame, json: JSON.stringify({ ...frame, id }) });
    this.#pump();
    return id;
  }

  /** Nothing comes of it any more. What was sent may still be confirmed. */
  #drop(membership: Membership, error: TautlineError, code?: string): void {
    if (membership.isOver) return;
    this.#topics.delete(membership.name);
    membership.isOver = true;
    this.#outbox.end(new TautlineError("LEFT", { cause: error }));
    membership.end(error, code);
  }

  #failed({ id, code = "INTERNAL", retryAfterMs }: Frame): void {
    const waitMs = milliseconds(retryAfterMs);
    const error = new TautlineError(code, { retryAfterMs });
    const isPostponed = waitMs && this.#outbox.postpone(id, code, this.#clock.monotonic() + waitMs);
    if (!isPostponed && !this.#outbox.fail(id, error)) this.emit("error", error);
    this.#pump();
  }

  /** Sends what may be sent, gives back what may not be sent any more, and comes again when there is more to do. */
  #pump(): void {
    this.#cancelPump?.();
    const nowMs = this.#clock.monotonic();
    while (this.#connection.isConnected) {
      const next = this.#outbox.next(nowMs);
      if (!next) break;
      if (!this.#connection.send(next.json)) this.#outbox.fail(next.id, new TautlineError("MESSAGE_TOO_LARGE"));
    }
    const waitMs = this.#outbox.expire(nowMs);
    if (waitMs < Infinity) this.#cancelPump = this.#clock.after(waitMs, () => this.#pump());
  }
}
