import { flag, type Frame, positionOf, text, numberOf } from "./frame.ts";
import type { Membership } from "./membership.ts";
import { type Message, messagesOf, type User, usersOf } from "./message.ts";
import type { Position } from "./position.ts";
import { stream } from "./stream.ts";
import type { Joined, TopicEvents } from "./topic-events.ts";

export interface Confirmation extends Position {
  readonly messageId: string;
}

export interface History extends Position {
  readonly messages: readonly Message[];
  /** False when messages after `since` are not there any more; undefined without `since`. */
  readonly isRecovered: boolean | undefined;
}

export interface Presence {
  readonly users: readonly User[];
  readonly userCount: number;
  /** Give it as `after` to get the next page; undefined on the last one. */
  readonly next: string | undefined;
}

export interface Waiting {
  /** Its abort ends the wait. What was sent already may have been carried out. */
  readonly signal?: AbortSignal | undefined;
}

export interface Publishing extends Waiting {
  /** 1–64 characters; by default a random one. */
  readonly messageId?: string | undefined;
}

/** What a topic needs of its client. */
export interface TopicPorts {
  request(membership: Membership, frame: object, options: Waiting, isMessage?: boolean): Promise<Frame>;
  /** At once, or not at all. */
  send(membership: Membership, frame: object): void;
  leave(membership: Membership): Promise<void>;
}

/** A topic that is joined, and joined again after every break, until it is left. Iterating over it gives its messages. */
export class Topic implements AsyncIterable<Message> {
  readonly #membership: Membership;
  readonly #ports: TopicPorts;

  /** Applications call `client.topic`. */
  constructor(membership: Membership, ports: TopicPorts) {
    this.#membership = membership;
    this.#ports = ports;
  }

  /** As the node calls it: `room:lobby`, `conversation:42`. */
  get name(): string {
    return this.#membership.topic;
  }

  /** The first join; refused when the topic is, when it is left, and when the client has ended. */
  get joined(): Promise<Joined> {
    return this.#membership.joined;
  }

  /** That of the last message, for `recover`; null before the first join. */
  get position(): Position | null {
    return this.#membership.inbox.position;
  }

  /** The returned function takes the listener away. */
  on<Name extends keyof TopicEvents>(name: Name, listener: (event: TopicEvents[Name]) => void): () => void {
    return this.#membership.events.on(name, listener);
  }

  /** Settles once the node has confirmed the event. Until then it is sent again after every break. */
  publish(event: string, data?: unknown, options: Publishing = {}): Promise<Confirmation> {
    return this.confirmed({ type: "publish", event, data }, options);
  }

  /** The newest messages, or the oldest after `since`: 100 at most, or `limit`. */
  async history(options: Waiting & { limit?: number; since?: Position } = {}): Promise<History> {
    const { limit, since } = options;
    const frame = await this.#ports.request(this.#membership, { type: "history", limit, since }, options);
    return { ...placed(frame), messages: messagesOf(frame, true), isRecovered: flag(frame["recovered"]) };
  }

  /** A page of at most 200 users. */
  async presence(options: Waiting & { after?: string | undefined } = {}): Promise<Presence> {
    const { after } = options;
    const frame = await this.#ports.request(this.#membership, { type: "presence", after }, options);
    const { users, userCount, next } = frame;
    return { users: usersOf(users), userCount: numberOf(userCount) ?? 0, next: text(next) || undefined };
  }

  /** Tells the others, when there is a connection. Others forget a `true` after 6 s. */
  typing(isTyping: boolean): void {
    this.#ports.send(this.#membership, { type: "typing", isTyping });
  }

  /** What waits to be sent is given back as `LEFT`. Settles once the node has confirmed it, or there is no connection. */
  leave(): Promise<void> {
    return this.#ports.leave(this.#membership);
  }

  /** Messages from now on. */
  messages({ signal }: Waiting = {}): AsyncIterableIterator<Message> {
    const { sinks, isOver } = this.#membership;
    return stream((sink) => {
      if (isOver) sink.end();
      else sinks.add(sink);
      return () => void sinks.delete(sink);
    }, signal);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this.messages();
  }

  /** Of rooms and topics alike. */
  protected async confirmed(frame: object, options: Publishing): Promise<Confirmation> {
    const messageId = options.messageId ?? randomId();
    return {
      messageId,
      ...placed(await this.#ports.request(this.#membership, { ...frame, messageId }, options, true)),
    };
  }
}

/** Browsers have `randomUUID` on pages of HTTPS only. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function placed(frame: Frame): Position {
  return positionOf(frame) ?? { offset: 0, epoch: "" };
}
