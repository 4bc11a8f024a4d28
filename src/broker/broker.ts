import type { MessageBody } from "../protocol/codec.ts";
import type { PermissionChange, Principal } from "../protocol/principal.ts";
import type { WireUser } from "../protocol/server-frames.ts";

/**
 * How nodes share: the ports between a node and whatever carries messages and keeps what all nodes must know. The `memory` files
 * serve one node. The suites in `test/contract/` hold every promise that this file makes.
 */

/** A place in a topic's stream. Offsets rise by one from 1; 0 is before the first. Another epoch is another stream. */
export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

/** What makes a message the same one when it is sent again: who sent it, under which id of theirs, and what it said. */
export interface Identity {
  readonly userId: string;
  readonly messageId: string;
  /** As text; 64 bits of it are remembered. */
  readonly payload: string;
}

export interface Publication {
  readonly topic: string;
  readonly body: MessageBody;
  /** Null for a message that its sender cannot repeat. */
  readonly identity: Identity | null;
}

/** A message that has its position, as it went out live. */
export interface Positioned extends Position {
  readonly body: MessageBody;
}

export interface History extends Position {
  /** Oldest first. */
  readonly messages: readonly Positioned[];
  /** False when the stream no longer holds everything after `since`: then `messages` is empty, never partial. */
  readonly recovered: boolean;
}

/** Called for each message of a topic in the order of its offsets, on every node that follows the topic. */
export type Deliver = (topic: string, message: Positioned) => void;

/** Called when messages up to a position can be had by nobody any more who follows the topic on this node: what comes next follows a hole. */
export type Lose = (topic: string, position: Position) => void;

/** A topic that somebody is about to be a member of, with the position behind which it has missed messages; null: it asks for none. */
export interface Entrance {
  readonly topic: string;
  readonly since: Position | null;
}

/** What a broker holds in the memory of this process, in entries; what it does not have is absent. */
export interface BrokerHeld {
  /** Topics whose position is known. */
  readonly positions?: number;
  /** Topics of which messages are kept. */
  readonly histories?: number;
  /** Topics that will start again in another epoch. */
  readonly endedTopics?: number;
  readonly messageIds?: number;
}

export interface Broker {
  /** The name in the start line and the metrics: `memory`. */
  readonly name: string;
  /**
   * Takes the message: gives it the next offset, keeps it where the topic has history, delivers it to the nodes that follow it. A broker that
   * answers at once has delivered it by then; of one that nodes share the answer may come earlier. A message with the identity of one of the last five minutes, in the same topic
   * and epoch, is not delivered again: the answer is the first one's position. Throws `MESSAGE_ID_REUSED` when the payload is another, and
   * `PUBLISH_FAILED` when the message was not taken.
   */
  publish(publication: Publication, keepsHistory: boolean): Position | Promise<Position>;
  /** Where the topic's stream stands: the next message has `offset + 1`. Rejects UNAVAILABLE. */
  position(topic: string): Position | Promise<Position>;
  /** Everything after `since`, or the newest `limit` without it. Rejects UNAVAILABLE. */
  history(topic: string, since: Position | null, limit: number): History | Promise<History>;
  /**
   * Follows the topics and calls `use` with what their new members are to be told: in the very moment where each history ends exactly at the
   * message after which `deliver` goes on. Whoever is to go on following has called `follow` when `use` returns. Without a `since` a history
   * is nothing but a position. Rejects UNAVAILABLE, and with what `use` throws.
   */
  enter<T>(entrances: readonly Entrance[], use: (histories: readonly History[]) => T | Promise<T>): T | Promise<T>;
  /** From now on `deliver` is called for the topic, until `unfollow` was called as often. */
  follow(topic: string): void;
  unfollow(topic: string): void;
  /** Drops what is too old; called once a second. */
  sweep(): void;
  readonly ready: boolean;
  /** Topics whose history was given up for the memory bound, since the start. */
  readonly evictedTopics: number;
  /** Message ids that were forgotten before their time, since the start: a repeated message may have come twice. */
  readonly droppedMessageIds: number;
  /** For the metrics. */
  readonly held: BrokerHeld;
  stop(): Promise<void>;
}

/** What a node is told of the users on other nodes. */
export interface PresenceListener {
  /** The user is on another node now; it may be on a third one already. */
  came(topic: string, id: string, user: WireUser): void;
  /** The user is on no other node any more. */
  went(topic: string, id: string): void;
  /** The user types on another node, or stopped. */
  typed(topic: string, user: WireUser, isTyping: boolean): void;
}

/**
 * Who is in which topic on the other nodes, and what they are told of this one. Nothing here makes the node wait: what it says of itself is
 * right at once here, and soon there. While a shared store is away, what it knew last stays.
 */
export interface PresenceStore {
  /** Whether there may be users on other nodes. */
  readonly isShared: boolean;
  /**
   * Looks at the topic for some seconds, for whoever is about to ask who is there or to follow it. The promise ends when that is known, or when it
   * cannot be; undefined when it is known already. Never rejects.
   */
  open(topic: string): void | Promise<void>;
  /** From now on the listener is told of the topic, until `unfollow`. */
  follow(topic: string): void;
  unfollow(topic: string): void;
  /** The user has come to the topic on this node, with its first connection there. */
  joined(topic: string, id: string, user: WireUser): void;
  /** The user has left it here. For so long it counts as being elsewhere all the same, until it comes to some node; 0: it is just gone. */
  left(topic: string, id: string, user: WireUser, holdMs: number): void;
  /** Passed on to the members on other nodes; lost when it cannot be. */
  typing(topic: string, user: WireUser, isTyping: boolean): void;
  /** Users on other nodes, of a topic that is followed or open. */
  elsewhere(topic: string): Iterable<readonly [id: string, user: WireUser]>;
  /** Drops what is too old; called once a second. */
  sweep(): void;
  /** Says what is not said yet, as far as that goes within two seconds. */
  stop(): Promise<void>;
}

/** One-time tickets that were given out and not used yet, by the digest of the ticket: nowhere is a ticket itself kept. */
export interface TicketStore {
  /** Tickets in the memory of this process. */
  readonly held: number;
  /**
   * Keeps who the ticket stands for, for so long. Throws or rejects RATE_LIMITED with `retryAfterMs` while the user has as many open
   * ones as it may, OVERLOADED when there is no room for more, UNAVAILABLE when the store is away. The bounds are those of all nodes together.
   */
  add(digest: string, holder: Principal, lifeMs: number): void | Promise<void>;
  /**
   * Spends a ticket: of all calls with one digest, at once and on whatever node, one gets the holder. Null when it is unknown, spent or
   * too old. Throws or rejects UNAVAILABLE.
   */
  take(digest: string): Principal | null | Promise<Principal | null>;
  /** Drops what is too old; called once a second. */
  sweep(): void;
}

/** What a revocation goes by: one token, one session, or one user. */
export type RevocationKind = "jti" | "sid" | "sub";

export interface Revocation {
  readonly kind: RevocationKind;
  readonly value: string;
  /** Meant are the tokens that were issued up to then. Wall clock; null: all of them. */
  readonly issuedBeforeMs: number | null;
  /** When the last of them has ended, so that the revocation can be forgotten. Wall clock. */
  readonly untilMs: number;
}

/** One that another node ordered; or this one, when it could not tell that the order was taken. */
export interface RevokedElsewhere extends Revocation {
  /** The id of the node. */
  readonly node: string;
}

export interface RevocationStore {
  /**
   * From its return, or the end of its promise, on `find` knows it; on other nodes as soon as they are told. Two of the same kind and value become
   * one that means the tokens of both. Throws or rejects OVERLOADED when there is no room for another, UNAVAILABLE when nobody says that it
   * is kept: it may be all the same.
   */
  add(revocation: Revocation): void | Promise<void>;
  /** Never waits, since it is asked about every token: a store that nodes share has a copy on each of them. Null when it is past its end. */
  find(kind: RevocationKind, value: string): Revocation | null;
  /** Revocations that are kept, with those that are past their end and not swept yet. */
  readonly size: number;
  /** False at the start of a node, until it knows what was ordered before. */
  readonly ready: boolean;
  /** Drops what is past its end; called once a second. */
  sweep(): void;
}

export interface Answered {
  /** As in `Nodes.alive`. */
  readonly node: string;
  /** What came over the network: nobody has checked it. */
  readonly body: unknown;
}

export interface Answers {
  readonly answers: readonly Answered[];
  /** The NODE_IDs of those that were not heard in time, that could not answer, or that could not be asked. */
  readonly missing: readonly string[];
}

/** Answers a question of another node. What it throws or rejects with is no answer: the asker finds this node among the missing. */
export type AnswerHandler = (body: unknown) => unknown;

/** The nodes that share, and questions to all of them. */
export interface Nodes {
  /** There are no others and never will be: `ask` answers at once. */
  readonly isAlone: boolean;
  /** This node in this life, `{NODE_ID}/{random}`: a restart, or a second process of that name, is another one. */
  readonly self: string;
  /** Those whose lease holds, this one included. While nothing can be asked they stay as they were last known. */
  readonly alive: ReadonlySet<string>;
  /** Called once for every other node that has said goodbye, or whose lease has ended. */
  onGone(run: (node: string) => void): void;
  /**
   * Called for every node that has come, and for this one whenever others may have taken it for gone: at the start, and after each time
   * that it was cut off. What was kept for it elsewhere may be lost then.
   */
  onCome(run: (node: string) => void): void;
  /**
   * Asks every other live node, and waits for a second at most; for one that did not answer the last time only as long as for the others.
   * Never throws or rejects: who could not be asked is missing. `body` is anything that JSON can hold.
   */
  ask(question: string, body: unknown): Answers | Promise<Answers>;
  /** What this node answers. Throws when somebody answers that question already. */
  answer(question: string, handle: AnswerHandler): void;
}

/** A change that another node ordered; or this one, when it could not tell that the order was taken. */
export interface ChangedElsewhere {
  readonly userId: string;
  readonly change: "set" | "cleared";
  /** The id of the node. */
  readonly node: string;
}

/** Users of whom the backend says something else than their tokens, each for a day. */
export interface PermissionStore {
  /**
   * Instead of any earlier change: from its return, or the end of its promise, on `find` knows it; on other nodes as soon as they are told. Throws or
   * rejects OVERLOADED when there is no room for another user, UNAVAILABLE when nobody says that it is kept: it may be all the same.
   */
  set(userId: string, change: PermissionChange): void | Promise<void>;
  /** As `set`, without OVERLOADED. */
  clear(userId: string): void | Promise<void>;
  /** Never waits. The same object until something else is said of the user; null: nothing is, or not any more. */
  find(userId: string): PermissionChange | null;
  /** Users who have one. 0 while nothing is changed. */
  readonly size: number;
  /** False at the start of a node, until it knows what was ordered before. */
  readonly ready: boolean;
  /** Drops what has held for its day, and says whose it was; called once a second. */
  sweep(): readonly string[];
}
