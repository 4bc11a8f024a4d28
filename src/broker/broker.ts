import type { MessageBody } from "../protocol/codec.ts";
import type { Principal } from "../protocol/principal.ts";

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

/** Called for each message of a topic in the order of its offsets, on every node that has members there. */
export type Deliver = (topic: string, message: Positioned) => void;

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
   * Takes the message: gives it the next offset, keeps it where the topic has history, delivers it. Delivery on this node happens
   * before the call returns (or its promise settles). A message with the identity of one of the last five minutes, in the same topic
   * and epoch, is not delivered again: the answer is the first one's position. Throws `MESSAGE_ID_REUSED` when the payload is another, and
   * `PUBLISH_FAILED` when the message was not taken.
   */
  publish(publication: Publication, keepsHistory: boolean): Position | Promise<Position>;
  /** Where the topic's stream stands: the next message has `offset + 1`. */
  position(topic: string): Position | Promise<Position>;
  /** Everything after `since`, or the newest `limit` without it. */
  history(topic: string, since: Position | null, limit: number): History | Promise<History>;
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

/** One-time tickets that were given out and not used yet, by the digest of the ticket: nowhere is a ticket itself kept. */
export interface TicketStore {
  /**
   * Keeps who the ticket stands for, for so long. Throws or rejects RATE_LIMITED with `retryAfterMs` while the user has as many open
   * ones as it may, OVERLOADED when there is no room for more, UNAVAILABLE when the store is away.
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

export interface RevocationStore {
  /**
   * From its return, or the end of its promise, on `find` knows it. Two of the same kind and value become one that means the tokens of
   * both. Throws or rejects OVERLOADED when there is no room for another, UNAVAILABLE when it cannot be kept.
   */
  add(revocation: Revocation): void | Promise<void>;
  /** Never waits, since it is asked about every token: a store that nodes share has a copy on each of them. Null when it is past its end. */
  find(kind: RevocationKind, value: string): Revocation | null;
  /** Revocations that are kept, with those that are past their end and not swept yet. */
  readonly size: number;
  /** Drops what is past its end; called once a second. */
  sweep(): void;
}
