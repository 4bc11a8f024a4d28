import { Emitter } from "./emitter.ts";
import type { TautlineError } from "./error.ts";
import { type Frame, isObject, positionOf, type User } from "./frame.ts";
import { Inbox } from "./inbox.ts";
import { type Message, messageOf, messagesOf } from "./message.ts";
import type { Position } from "./position.ts";
import { stream } from "./stream.ts";
import type { Confirmation, History, Presence, Publishing, Room, TopicOptions, Waiting } from "./topic.ts";
import type { Joined, TopicEvents } from "./topic-events.ts";

const ROOM = "room:";

/** What a membership needs of its client. */
export interface MembershipPorts {
  request(membership: Membership, frame: object, options: Waiting, isMessage?: boolean): Promise<Frame>;
  send(frame: object): void;
  rejoin(membership: Membership): Promise<void>;
  leave(membership: Membership): Promise<void>;
}

/** What a client knows of a topic that it wants to be a member of. Applications see of it what `Topic` and `Room` say. */
export class Membership implements Room {
  readonly name: string;
  readonly inbox: Inbox;
  readonly token: TopicOptions["token"];
  /** Of this connection. */
  isJoined = false;
  isOver = false;
  readonly #ports: MembershipPorts;
  readonly #events = new Emitter<TopicEvents>();
  readonly #joined = Promise.withResolvers<Joined>();

  constructor(name: string, { recover, token }: TopicOptions, ports: MembershipPorts) {
    this.name = name;
    this.token = token;
    this.#ports = ports;
    // Who does not wait for it hears of it by `left`, or by the status.
    this.joined.catch(() => undefined);
    const inboxPorts = {
      message: (message: Message) => this.#events.emit("message", message),
      gap: (gap: TopicEvents["gap"]) => this.#events.emit("gap", gap),
      resync: () => void ports.rejoin(this),
    };
    this.inbox = new Inbox(inboxPorts, recover ?? null);
  }

  get joined(): Promise<Joined> {
    return this.#joined.promise;
  }

  get position(): Position | null {
    return this.inbox.position;
  }

  on<Name extends keyof TopicEvents>(name: Name, listener: (event: TopicEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  send(message: string, options?: Publishing): Promise<Confirmation> {
    return this.#publish({ type: "chat_message", roomSlug: this.name.slice(ROOM.length), message }, options);
  }

  publish(event: string, data?: unknown, options?: Publishing): Promise<Confirmation> {
    return this.#publish({ type: "publish", event, data }, options);
  }

  async history(options: Waiting & { readonly limit?: number; readonly since?: Position } = {}): Promise<History> {
    const { limit, since } = options;
    const frame = await this.#ports.request(this, { type: "history", limit, since }, options);
    return { ...placed(frame), messages: messagesOf(frame), recovered: frame.recovered };
  }

  async presence(options: Waiting & { readonly after?: string | undefined } = {}): Promise<Presence> {
    const { after } = options;
    const { users = [], userCount = 0, next } = await this.#ports.request(this, { type: "presence", after }, options);
    return { users, userCount, next };
  }

  typing(isTyping: boolean): void {
    if (this.isJoined) this.#ports.send({ type: "typing", topic: this.name, isTyping });
  }

  leave(): Promise<void> {
    return this.#ports.leave(this);
  }

  messages({ signal }: Waiting = {}): AsyncIterableIterator<Message> {
    return stream(this.#events, "message", this.isOver, signal);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this.messages();
  }

  /** Something came about the topic: no answer, no join and no leave. */
  receive(frame: Frame): void {
    // An event may be called `constructor`.
    const handler = Object.hasOwn(HANDLERS, frame.type) ? HANDLERS[frame.type] : undefined;
    if (handler !== undefined) return void handler(frame, this.inbox, this.#events);
    const message = messageOf(frame, false);
    if (message !== null) this.inbox.live(message);
  }

  joinedWith(frame: Frame): void {
    const { userCount, wasRecovering, recovered = false } = frame;
    const joined = { ...placed(frame), userCount, recovered: wasRecovering ? recovered : undefined };
    this.isJoined = true;
    this.#joined.resolve(joined);
    this.#events.emit("joined", joined);
    this.inbox.joined(joined, recovered, messagesOf(frame));
  }

  /** Nothing comes any more, unless it is joined once more. */
  pause(error: TautlineError): void {
    this.#joined.reject(error);
    this.#events.end();
  }

  /** It is left for good. */
  end(code: string, error: TautlineError): void {
    this.isJoined = false;
    this.isOver = true;
    this.pause(error);
    this.#events.emit("left", { code });
  }

  async #publish(frame: object, options: Publishing = {}): Promise<Confirmation> {
    // Browsers have `randomUUID` on pages of HTTPS only.
    const { messageId = crypto.getRandomValues(new Uint32Array(4)).join("-") } = options;
    return { messageId, ...placed(await this.#ports.request(this, { ...frame, messageId }, options, true)) };
  }
}

function placed(frame: Frame): Position {
  return positionOf(frame) ?? { offset: 0, epoch: "" };
}

type Handler = (frame: Frame, inbox: Inbox, events: Emitter<TopicEvents>) => unknown;

const onPresence: Handler = ({ joined = [], left = [], userCount }, _inbox, events) =>
  events.emit("presence", { joined, left, userCount });

/** What is in no row is a message, or nothing that this version knows. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  recovered: (frame, inbox) => inbox.recovered(messagesOf(frame), frame.more === true),
  gap: (frame, inbox) => inbox.skipped(placed(frame)),
  user_joined: ({ type, data }, inbox, events) =>
    isObject<User>(data) && onPresence({ type, joined: [data] }, inbox, events),
  user_left: ({ type, data }, inbox, events) =>
    isObject<User>(data) && onPresence({ type, left: [data] }, inbox, events),
  presence_diff: onPresence,
  typing: (frame, _inbox, events) => isObject<TopicEvents["typing"]>(frame) && events.emit("typing", frame),
};
