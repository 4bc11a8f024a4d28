import type { Clock } from "../observe/clock.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { TautlineError } from "./error.ts";
import type { Frame } from "./frame.ts";
import { Membership, type MembershipPorts } from "./membership.ts";
import type { ConnectOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import type { Status } from "./status.ts";
import { steadyClock } from "./steady-clock.ts";
import { type Sink, stream } from "./stream.ts";
import type { Room, Topic, TopicOptions, Waiting } from "./topic.ts";
import { milliseconds } from "./verdict.ts";

export type ClientEvents = Pick<ConnectionEvents, "status" | "error">;

const MAX_MESSAGES = 1_000;
const MAX_LENGTH = 1_048_576;

interface Request {
  readonly frame: object;
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: TautlineError) => unknown;
}

/** A connection that is kept, with the topics that are joined over it. Made by `connect`. */
export class Client {
  readonly #clock: Clock;
  readonly #sinks = new Set<Sink<Status>>();
  readonly #topics = new Map<string, Membership>();
  readonly #outbox: Outbox;
  /** Joins and leaves that this connection has not answered: one of each topic. */
  #moves = new Outbox();
  readonly #connection: Connection;
  readonly #ports: MembershipPorts;
  readonly #signal: AbortSignal | undefined;
  #lastId = 0;
  #cancelPump: (() => void) | undefined;

  constructor(url: string, options: ConnectOptions) {
    const { clock = steadyClock(), signal, maxQueuedMessages = MAX_MESSAGES, maxQueuedBytes = MAX_LENGTH } = options;
    this.#clock = clock;
    this.#signal = signal;
    this.#outbox = new Outbox(maxQueuedMessages, maxQueuedBytes);
    this.#ports = {
      request: (membership, frame, waiting, isMessage = false) => this.#request(membership, frame, waiting, isMessage),
      send: (frame) => this.#connection.send(JSON.stringify(frame)),
      join: (membership) => void this.#rejoin(membership),
      leave: (membership) => this.#leave(membership),
    };
    this.#connection = new Connection(url, options, clock);
    const { events } = this.#connection;
    events.on("status", (status) => {
      for (const sink of this.#sinks) sink.push(status);
    });
    events.on("greeted", () => {
      for (const membership of this.#topics.values()) void this.#rejoin(membership);
    });
    events.on("frame", (frame) => this.#receive(frame));
    events.on("lost", () => this.#lost());
    events.on("ended", () => this.#ended());
    this.#connection.trigger("due");
    globalThis.addEventListener?.("online", this.#online);
    if (signal?.aborted === true) this.#abort();
    signal?.addEventListener("abort", this.#abort);
  }

  get status(): Status {
    return this.#connection.status;
  }

  /** The returned function takes the listener away. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void {
    return this.#connection.events.on(name, listener);
  }

  /** Each status from now on; ends when the connection is closed for good. */
  statuses({ signal }: Waiting = {}): AsyncIterableIterator<Status> {
    return stream(this.#sinks, this.status.state === "closed", signal);
  }

  /** The same room each time, until it is left. */
  join(roomSlug: string, options?: TopicOptions): Room {
    return this.#join(`room:${roomSlug}`, options);
  }

  /** The same topic each time, until it is left. */
  topic(name: string, options?: TopicOptions): Topic {
    return this.#join(name, options);
  }

  /** Does not wait any longer; where there is a connection, finds out whether it is alive. */
  reconnectNow(): void {
    this.#connection.trigger("reconnectNow");
  }

  /** For good. What waits is given back with its error. */
  close(): Promise<void> {
    globalThis.removeEventListener?.("online", this.#online);
    this.#signal?.removeEventListener("abort", this.#abort);
    return this.#connection.close();
  }

  readonly #online = (): void => this.#connection.trigger("online");
  readonly #abort = (): void => void this.close();

  #join(topic: string, options: TopicOptions = {}): Room {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const membership = new Membership(topic, options, this.#ports);
    if (this.status.state === "closed") membership.end("CLOSED", new TautlineError("CLOSED"));
    else this.#topics.set(topic, membership);
    if (this.#connection.isConnected) void this.#rejoin(membership);
    return membership;
  }

  async #rejoin(membership: Membership): Promise<void> {
    const moves = this.#moves;
    const { inbox } = membership;
    inbox.joins();
    try {
      const token = await membership.token?.();
      if (moves !== this.#moves || membership.isOver) return;
      this.#add(moves, membership, false, {
        frame: { type: "subscribe", recover: inbox.position ?? undefined, token },
        // At once: what comes next counts on it.
        resolve: (answer) => membership.joinedWith(answer),
        // What the end of the connection takes back is done anew on the next one.
        reject: (error) => moves === this.#moves && this.#drop(membership, error),
      });
    } catch (cause) {
      this.#drop(membership, new TautlineError("TOKEN_FAILED", { cause }));
    }
  }

  #request(membership: Membership, frame: object, { signal }: Waiting, isMessage: boolean): Promise<Frame> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.status.state === "closed") throw new TautlineError("CLOSED");
      if (membership.isOver) throw new TautlineError("LEFT");
      const id = this.#add(this.#outbox, membership, isMessage, { frame, resolve, reject });
      signal?.addEventListener("abort", () => {
        this.#outbox.forget(id);
        reject(signal.reason);
      });
    });
  }

  #add(outbox: Outbox, { name: topic }: Membership, isMessage: boolean, { frame, ...answers }: Request): number {
    const id = ++this.#lastId;
    outbox.add({ ...answers, id, topic, isMessage, json: JSON.stringify({ ...frame, topic, id }) });
    this.#pump();
    return id;
  }

  #leave(membership: Membership): Promise<void> {
    const { isOver } = membership;
    this.#drop(membership, new TautlineError("LEFT"), "OK");
    return new Promise((resolve) => {
      if (isOver || !this.#connection.isConnected) return resolve();
      const settle = (): void => resolve();
      this.#add(this.#moves, membership, false, { frame: { type: "unsubscribe" }, resolve: settle, reject: settle });
    });
  }

  /** Nothing comes of it any more. What was sent may still be confirmed. */
  #drop(membership: Membership, error: TautlineError, code: string = error.code): void {
    const { name, isOver } = membership;
    if (isOver) return;
    this.#topics.delete(name);
    this.#outbox.end(code === "OK" ? error : new TautlineError("LEFT", { cause: error }), (topic) => topic === name);
    membership.end(code, error);
  }

  #receive(frame: Frame): void {
    const { type, id, topic, roomSlug, code = "INTERNAL" } = frame;
    const membership = this.#topics.get(roomSlug === undefined ? `${topic}` : `room:${roomSlug}`);
    if (type === "error") this.#failed(frame);
    else if (this.#moves.answer(id, frame) || this.#outbox.answer(id, frame)) this.#pump();
    else if (membership === undefined) return;
    else if (type === "unsubscribed") this.#drop(membership, new TautlineError(code));
    else membership.receive(frame);
  }

  #failed({ id, code = "INTERNAL", retryAfterMs }: Frame): void {
    const waitMs = milliseconds(retryAfterMs);
    const untilMs = this.#clock.monotonic() + waitMs;
    const error = new TautlineError(code, { retryAfterMs });
    // Whatever keeps a join away for now: it is tried again.
    const isPostponed =
      waitMs > 0 && (this.#moves.postpone(id, "RATE_LIMITED", untilMs) || this.#outbox.postpone(id, code, untilMs));
    if (!isPostponed && !this.#moves.fail(id, error) && !this.#outbox.fail(id, error))
      this.#connection.events.emit("error", error);
    this.#pump();
  }

  /** Sends what may be sent, gives back what may not be sent any more, and comes again when there is more to do. */
  #pump(): void {
    this.#cancelPump?.();
    const nowMs = this.#clock.monotonic();
    this.#send(this.#moves, () => true, nowMs);
    this.#send(this.#outbox, (topic) => this.#topics.get(topic)?.isJoined === true, nowMs);
    const waitMs = Math.min(this.#moves.expire(nowMs), this.#outbox.expire(nowMs));
    if (waitMs < Infinity) this.#cancelPump = this.#clock.after(waitMs, () => this.#pump());
  }

  #send(outbox: Outbox, isReady: (topic: string) => boolean, nowMs: number): void {
    for (;;) {
      const next = this.#connection.isConnected ? outbox.next(isReady, nowMs) : undefined;
      if (next === undefined) return;
      if (!this.#connection.send(next.json)) outbox.fail(next.id, new TautlineError("MESSAGE_TOO_LARGE"));
    }
  }

  #lost(): void {
    const moves = this.#moves;
    const error = new TautlineError("LEFT");
    this.#moves = new Outbox();
    moves.lost();
    moves.end(error, () => true);
    for (const membership of this.#topics.values()) membership.isJoined = false;
    this.#outbox.lost();
    this.#outbox.end(error, (topic) => !this.#topics.has(topic));
    this.#pump();
  }

  #ended(): void {
    const error = new TautlineError("CLOSED");
    this.#outbox.end(error, () => true);
    for (const membership of this.#topics.values()) membership.pause(error);
    for (const sink of this.#sinks) sink.end();
    this.#pump();
  }
}
