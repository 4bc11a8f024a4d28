import type { Clock } from "../observe/clock.ts";
import { Connection } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import { TautlineError } from "./error.ts";
import { type Frame, isObject, numberOf, text, topicOf } from "./frame.ts";
import { Joins } from "./joins.ts";
import { Membership, type TopicOptions } from "./membership.ts";
import type { ConnectOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { Pace } from "./pace.ts";
import { Room } from "./room.ts";
import type { Status } from "./status.ts";
import { steadyClock } from "./steady-clock.ts";
import { type Sink, stream } from "./stream.ts";
import { Topic, type TopicPorts, type Waiting } from "./topic.ts";
import { milliseconds } from "./verdict.ts";

export interface ClientEvents {
  status: Status;
  /** What nobody waits for: a token that could not be had, an error of the node about nothing that was asked. */
  error: TautlineError;
}

const MAX_MESSAGES = 1_000;
const MAX_LENGTH = 1_048_576;
const LEFT = new Set(["room_left", "unsubscribed"]);

/** A connection that is kept, with the topics that are joined over it. Made by `connect`. */
export class Client {
  readonly #clock: Clock;
  readonly #events = new Emitter<ClientEvents>();
  readonly #sinks = new Set<Sink<Status>>();
  readonly #topics = new Map<string, { readonly membership: Membership; readonly handle: Room }>();
  readonly #leaving = new Map<string, () => void>();
  readonly #pace = new Pace();
  readonly #outbox: Outbox;
  readonly #joins: Joins;
  readonly #connection: Connection;
  readonly #ports: TopicPorts;
  readonly #signal: AbortSignal | undefined;
  #lastId = 0;
  #cancelPump: () => void = () => undefined;
  #cancelWatch: (() => void) | null = null;

  constructor(url: string, options: ConnectOptions) {
    this.#clock = options.clock ?? steadyClock();
    this.#signal = options.signal;
    this.#outbox = new Outbox({
      maxMessages: options.maxQueuedMessages ?? MAX_MESSAGES,
      maxLength: options.maxQueuedBytes ?? MAX_LENGTH,
    });
    this.#ports = {
      request: (membership, frame, waiting, isMessage = false) => this.#request(membership, frame, waiting, isMessage),
      send: (membership, frame) => {
        if (membership.isJoined) this.#send({ ...frame, ...membership.place });
      },
      leave: (membership) => this.#leave(membership),
    };
    this.#joins = new Joins(this.#clock, {
      send: (frame) => this.#send(frame),
      id: () => this.#id(),
      joined: () => this.#pump(),
      refused: (membership, error) => this.#drop(membership, error),
    });
    this.#connection = new Connection(url, options, this.#clock, {
      status: (status) => {
        this.#events.emit("status", status);
        for (const sink of this.#sinks) sink.push(status);
      },
      error: (error) => this.#events.emit("error", error),
      greeted: (greeting) => this.#greeted(greeting),
      frame: (frame) => this.#receive(frame),
      lost: () => this.#lost(),
      ended: () => this.#ended(),
    });
    this.#connection.trigger("due");
    globalThis.addEventListener?.("online", this.#online);
    if (this.#signal?.aborted === true) this.#abort();
    this.#signal?.addEventListener("abort", this.#abort);
  }

  get status(): Status {
    return this.#connection.status;
  }

  /** The returned function takes the listener away. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Each status from now on; ends when the connection is closed for good. */
  statuses({ signal }: Waiting = {}): AsyncIterableIterator<Status> {
    return stream((sink) => {
      if (this.status.state === "closed") sink.end();
      else this.#sinks.add(sink);
      return () => void this.#sinks.delete(sink);
    }, signal);
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
    if (known !== undefined) return known.handle;
    const membership = new Membership(topic, options, (member) => this.#joins.add(member));
    const handle = new Room(membership, this.#ports);
    if (this.status.state === "closed") membership.end("CLOSED");
    else this.#topics.set(topic, { membership, handle });
    if (this.#connection.isConnected) this.#joins.add(membership);
    return handle;
  }

  #request(membership: Membership, frame: object, { signal }: Waiting, isMessage: boolean): Promise<Frame> {
    const id = this.#id();
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.status.state === "closed") throw new TautlineError("CLOSED");
      if (membership.isOver) throw new TautlineError("LEFT");
      const json = JSON.stringify({ ...frame, ...membership.place, id });
      const abort = (): void => {
        this.#outbox.forget(id);
        reject(signal?.reason);
      };
      const settled = (): void => signal?.removeEventListener("abort", abort);
      this.#outbox.add({
        id,
        topic: membership.topic,
        json,
        isMessage,
        resolve(answer) {
          settled();
          resolve(answer);
        },
        reject(error) {
          settled();
          reject(error);
        },
      });
      signal?.addEventListener("abort", abort);
      this.#pump();
    });
  }

  #leave(membership: Membership): Promise<void> {
    if (membership.isOver) return Promise.resolve();
    const id = this.#id();
    this.#drop(membership, null);
    if (!this.#connection.isConnected) return Promise.resolve();
    return new Promise((resolve) => {
      this.#leaving.set(id, resolve);
      this.#send({ ...membership.leaveFrame(), id });
    });
  }

  /** `error` is null when the application asked for it. */
  #drop(membership: Membership, error: TautlineError | null): void {
    this.#topics.delete(membership.topic);
    this.#joins.forget(membership);
    this.#outbox.end(new TautlineError("LEFT", { cause: error }), (topic) => topic === membership.topic);
    if (error === null) membership.end("OK", new TautlineError("LEFT"));
    else membership.end(error.code, error);
  }

  #greeted({ limits }: Frame): void {
    const nowMs = this.#clock.monotonic();
    this.#pace.reset(isObject(limits) ? (numberOf(limits["messagesPerSecond"]) ?? 0) : 0, nowMs);
    for (const { membership } of this.#topics.values()) this.#joins.add(membership);
    this.#pump();
  }

  #receive(frame: Frame): void {
    const { type, id } = frame;
    const topic = topicOf(frame);
    const membership = topic === null ? undefined : this.#topics.get(topic)?.membership;
    const left = this.#leaving.get(String(id));
    if (left !== undefined) {
      this.#leaving.delete(String(id));
      left();
    } else if (type === "error") this.#failed(frame);
    else if (this.#joins.answer(id, frame) || this.#outbox.answer(id, frame)) this.#pump();
    else if (membership === undefined) return;
    else if (LEFT.has(type)) this.#drop(membership, new TautlineError(text(frame["code"])));
    else membership.receive(frame);
  }

  #failed({ id, code, retryAfterMs }: Frame): void {
    const afterMs = milliseconds(retryAfterMs);
    const error = new TautlineError(text(code), { retryAfterMs: afterMs || undefined });
    if (this.#joins.fail(id, error)) return;
    if (afterMs > 0 && this.#outbox.postpone(id, error.code)) this.#pace.pause(afterMs, this.#clock.monotonic());
    else if (!this.#outbox.fail(id, error)) this.#events.emit("error", error);
    this.#pump();
  }

  /** Sends what may be sent. */
  #pump(): void {
    this.#cancelPump();
    if (!this.#connection.isConnected) return;
    const nowMs = this.#clock.monotonic();
    for (;;) {
      const next = this.#outbox.next((topic) => this.#topics.get(topic)?.membership.isJoined === true, nowMs);
      if (next === null) break;
      const waitMs = this.#pace.take(nowMs);
      if (waitMs > 0) {
        this.#cancelPump = this.#clock.after(waitMs, () => this.#pump());
        break;
      }
      if (this.#connection.send(next.json)) this.#outbox.sent(next.id, nowMs);
      else this.#outbox.fail(next.id, new TautlineError("MESSAGE_TOO_LARGE"));
    }
    this.#watch();
  }

  /** Gives messages back whose time is over, one timer for all of them. */
  #watch(): void {
    if (this.#cancelWatch !== null) return;
    const inMs = this.#outbox.expire(this.#clock.monotonic());
    if (inMs === null) return;
    this.#cancelWatch = this.#clock.after(inMs, () => {
      this.#cancelWatch = null;
      this.#watch();
    });
  }

  #lost(): void {
    this.#joins.lost();
    for (const { membership } of this.#topics.values()) membership.isJoined = false;
    this.#outbox.lost();
    this.#outbox.end(new TautlineError("LEFT"), (topic) => !this.#topics.has(topic));
    for (const left of this.#leaving.values()) left();
    this.#leaving.clear();
    this.#cancelPump();
  }

  #ended(): void {
    const error = new TautlineError("CLOSED");
    this.#cancelWatch?.();
    this.#cancelWatch = null;
    this.#outbox.end(error, () => true);
    for (const { membership } of this.#topics.values()) membership.pause(error);
    for (const sink of [...this.#sinks]) sink.end();
  }

  #send(frame: object): void {
    if (this.#connection.isConnected) this.#connection.send(JSON.stringify(frame));
  }

  #id(): string {
    return String(++this.#lastId);
  }
}
