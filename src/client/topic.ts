import type { User } from "./frame.ts";
import type { Message } from "./message.ts";
import type { Position } from "./position.ts";
import type { Joined, TopicEvents } from "./topic-events.ts";

export interface Confirmation extends Position {
  readonly messageId: string;
}

export interface History extends Position {
  readonly messages: readonly Message[];
  /** False when messages after `since` are not there any more; undefined without `since`. */
  readonly recovered: boolean | undefined;
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

export interface TopicOptions {
  /** Its abort leaves the topic. */
  readonly signal?: AbortSignal | undefined;
  /** A position of an earlier page or process: what came since is recovered. */
  readonly recover?: Position | undefined;
  /** A second token that opens this topic; asked for with every join. */
  readonly token?: (() => string | Promise<string>) | undefined;
}

/** A topic that is joined, and joined again after every break, until it is left. Iterating over it gives its messages. */
export interface Topic extends AsyncIterable<Message> {
  /** As the node calls it: `room:lobby`, `conversation:42`. */
  readonly name: string;
  /** The first join; refused when the topic is, when it is left, and when the client has ended. */
  readonly joined: Promise<Joined>;
  /** That of the last message, for `recover`; null before the first join. */
  readonly position: Position | null;
  /** The returned function takes the listener away. */
  on<Name extends keyof TopicEvents>(name: Name, listener: (event: TopicEvents[Name]) => void): () => void;
  /** Settles once the node has confirmed the event. Until then it is sent again after every break. */
  publish(event: string, data?: unknown, options?: Publishing): Promise<Confirmation>;
  /** The newest messages, or the oldest after `since`: 100 at most, or `limit`. */
  history(options?: Waiting & { readonly limit?: number; readonly since?: Position }): Promise<History>;
  /** A page of at most 200 users. */
  presence(options?: Waiting & { readonly after?: string | undefined }): Promise<Presence>;
  /** Tells the others, when there is a connection. They forget a `true` after 6 s. */
  typing(isTyping: boolean): void;
  /** Messages from now on. Throws `OVERFLOW` when 1,000 wait to be taken. */
  messages(options?: Waiting): AsyncIterableIterator<Message>;
  /** What waits to be sent is given back as `LEFT`. Settles once the node has confirmed it, or there is no connection. */
  leave(): Promise<void>;
}

/** The topic `room:{slug}`, which has chat messages besides events. */
export interface Room extends Topic {
  /** A chat message of 1–4,096 UTF-16 units. Settles once the node has confirmed it; until then it is sent again after every break. */
  send(message: string, options?: Publishing): Promise<Confirmation>;
}
