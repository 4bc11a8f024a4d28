import { Emitter } from "./emitter.ts";
import { TautlineError } from "./error.ts";
import { type Frame, flag, isObject, numberOf, positionOf } from "./frame.ts";
import { Inbox } from "./inbox.ts";
import { type Message, messageOf, messagesOf, userOf, usersOf } from "./message.ts";
import type { Position } from "./position.ts";
import type { Sink } from "./stream.ts";
import type { Joined, TopicEvents } from "./topic-events.ts";

export interface TopicOptions {
  /** A position of an earlier page or process: what came since is recovered. */
  readonly recover?: Position | undefined;
  /** A second token that opens this topic; asked for with every join. */
  readonly token?: (() => string | Promise<string>) | undefined;
}

type Handler = (membership: Membership, frame: Frame) => void;

/** What a client knows of a topic that it wants to be a member of. */
export class Membership {
  readonly topic: string;
  readonly events = new Emitter<TopicEvents>();
  readonly sinks = new Set<Sink<Message>>();
  readonly joined: Promise<Joined>;
  readonly inbox: Inbox;
  /** Of this connection. */
  isJoined = false;
  isOver = false;
  readonly #token: TopicOptions["token"];
  #settle: { resolve: (joined: Joined) => void; reject: (error: TautlineError) => void } | undefined;

  /** `rejoin` asks for another join, now that messages are missing. */
  constructor(topic: string, { recover, token }: TopicOptions, rejoin: (membership: Membership) => void) {
    this.topic = topic;
    this.#token = token;
    this.joined = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Who does not wait for it hears of it by `left`, or by the status.
    this.joined.catch(() => undefined);
    const message = (message: Message): void => {
      this.events.emit("message", message);
      for (const sink of this.sinks) sink.push(message);
    };
    this.inbox = new Inbox(
      { message, gap: (gap) => this.events.emit("gap", gap), resync: () => rejoin(this) },
      recover ?? null,
    );
  }

  get place(): { readonly roomSlug: string } | { readonly topic: string } {
    return this.topic.startsWith(ROOM) ? { roomSlug: this.topic.slice(ROOM.length) } : { topic: this.topic };
  }

  /** A promise where a token has to be asked for. */
  joinFrame(): object | Promise<object> {
    const { place } = this;
    const recover = this.inbox.position ?? undefined;
    if (this.#token !== undefined) return this.#joinWith(this.#token, recover);
    return { type: "roomSlug" in place ? "join_room" : "subscribe", ...place, recover };
  }

  leaveFrame(): object {
    const { place } = this;
    return { type: "roomSlug" in place ? "leave_room" : "unsubscribe", ...place };
  }

  receive(frame: Frame): void {
    const handler = Object.hasOwn(HANDLERS, frame.type) ? HANDLERS[frame.type] : undefined;
    if (handler !== undefined) return handler(this, frame);
    const message = messageOf(frame, false);
    if (message !== null) this.inbox.live(message);
  }

  joinedWith(frame: Frame): void {
    const position = positionOf(frame);
    if (position === null) return;
    this.isJoined = true;
    const isRecovered = frame["wasRecovering"] === true ? frame["recovered"] === true : undefined;
    const joined = { ...position, userCount: numberOf(frame["userCount"]), isRecovered };
    this.#settle?.resolve(joined);
    this.events.emit("joined", joined);
    this.inbox.joined(position, isRecovered === true, messagesOf(frame, true));
  }

  /** Nothing comes any more, unless it is joined once more. */
  pause(error: TautlineError): void {
    this.isJoined = false;
    this.#settle?.reject(error);
    for (const sink of [...this.sinks]) sink.end();
  }

  /** It is left for good. */
  end(code: string, error = new TautlineError(code)): void {
    this.isOver = true;
    this.pause(error);
    this.events.emit("left", { code });
  }

  async #joinWith(token: NonNullable<TopicOptions["token"]>, recover: Position | undefined): Promise<object> {
    return { type: "subscribe", topic: this.topic, recover, token: await token() };
  }
}

const ROOM = "room:";

const onUser =
  (side: "joined" | "left"): Handler =>
  ({ events }, { data }) => {
    const user = userOf(data);
    if (user !== undefined) events.emit("presence", { joined: [], left: [], userCount: undefined, [side]: [user] });
  };

/** What is in no row is a message, or nothing that this version knows. Joins, leaves and answers come by other ways. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  recovered: ({ inbox }, frame) => inbox.recovered(messagesOf(frame, true), flag(frame["more"]) === true),
  gap({ inbox }, frame) {
    const position = positionOf(frame);
    if (position !== null) inbox.skipped(position);
  },
  user_joined: onUser("joined"),
  user_left: onUser("left"),
  presence_diff: ({ events }, { joined, left, userCount }) =>
    events.emit("presence", { joined: usersOf(joined), left: usersOf(left), userCount: numberOf(userCount) }),
  typing({ events }, frame) {
    const user = userOf(frame);
    if (user !== undefined) events.emit("typing", { ...user, isTyping: frame["isTyping"] === true });
  },
};
