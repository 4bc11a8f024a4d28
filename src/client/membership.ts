import { Emitter } from "./emitter.ts";
import type { TautlineError } from "./error.ts";
import { type Frame, isObject, positionOf, type User } from "./frame.ts";
import { Inbox } from "./inbox.ts";
import { type Message, messageOf, messagesOf } from "./message.ts";
import type { Position } from "./position.ts";
import type { Status } from "./status.ts";
import { stream } from "./stream.ts";
import type { Confirmation, History, Presence, Publishing, Room, TopicOptions, Waiting } from "./topic.ts";
import type { Joined, TopicEvents } from "./topic-events.ts";

const ROOM = "room:";

/** What a membership needs of its client. */
export interface MembershipPorts {
  readonly status: Status;
  request(membership: Membership, frame: object, options: Waiting): Promise<Frame>;
  send(frame: object): void;
  rejoin(membership: Membership): Promise<void>;
  leave(membership: Membership): Promise<void>;
}

/** What a client knows of a topic that it wants to be a member of. Applications see of it what `Topic` and `Room` say. */
export class Membership extends Emitter<TopicEvents> implements Room {
  declare readonly name: string;
  readonly #joined = Promise.withResolvers<Joined>();
  readonly joined = this.#joined.promise;
  declare readonly inbox: Inbox;
  declare readonly token: TopicOptions["token"];
  /** Of this connection. */
  declare isJoined: boolean | undefined;
  declare isOver: boolean | undefined;
  readonly #ports: MembershipPorts;

  constructor(name: string, { recover, token }: TopicOptions, ports: MembershipPorts) {
    super();
    this.name = name;
    this.token = token;
    this.#ports = ports;
    // Who does not wait for it hears of it by `left`, or by the status.
    this.joined.catch(() => undefined);
    this.inbox = new Inbox(this, () => void ports.rejoin(this), recover ?? null);
  }

  get position(): Position | null {
    return this.inbox.position;
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

  messages(options?: Waiting): AsyncIterableIterator<Message> {
    return stream(this, "message", this.isOver || this.#ports.status.state === "closed", options);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this.messages();
  }

  /** Something came about the topic: no answer, no join and no leave. What has no case is a message, or unknown to this version. */
  receive(frame: Frame): void {
    const { inbox } = this;
    const { type, joined = [], left = [], userCount, data } = frame;
    switch (type) {
      case "recovered":
        return inbox.recovered(messagesOf(frame), frame.more);
      case "gap":
        return inbox.live(placed(frame));
      case "user_joined":
      case "user_left":
      case "presence_diff":
        return this.emit("presence", {
          joined: type === "user_joined" && isObject<User>(data) ? [data] : joined,
          left: type === "user_left" && isObject<User>(data) ? [data] : left,
          userCount,
        });
      case "typing":
        if (isObject<TopicEvents["typing"]>(frame)) this.emit("typing", frame);
        return;
      default: {
        const message = messageOf(frame, false);
        if (message) inbox.live(message);
      }
    }
  }

  joinedWith(frame: Frame): void {
    const { userCount, wasRecovering, recovered = false } = frame;
    const joined = { ...placed(frame), userCount, recovered: wasRecovering ? recovered : undefined };
    this.isJoined = true;
    this.#joined.resolve(joined);
    this.emit("joined", joined);
    this.inbox.joined(joined, recovered, messagesOf(frame));
  }

  /** Nothing comes any more, unless it is joined once more. */
  pause(error: TautlineError): void {
    this.#joined.reject(error);
    this.finish();
  }

  /** It is left for good. */
  end(error: TautlineError, code: string = error.code): void {
    this.isJoined = false;
    this.pause(error);
    this.emit("left", { code });
  }

  async #publish(frame: object, options: Publishing = {}): Promise<Confirmation> {
    // Browsers have `randomUUID` on pages of HTTPS only.
    const { messageId = crypto.getRandomValues(new Uint32Array(4)).join("-") } = options;
    return { messageId, ...placed(await this.#ports.request(this, { ...frame, messageId }, options)) };
  }
}

function placed(frame: Frame): Position {
  return positionOf(frame) ?? { offset: 0, epoch: "" };
}
