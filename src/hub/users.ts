import type { Positioned } from "../broker/broker.ts";
import type { Frame } from "../engine/engine.ts";
import type { Counters } from "../observe/metrics.ts";
import type { Codec } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Connection } from "./connection.ts";
import type { Bucket, Rate } from "./limits.ts";
import { fullBucket, isFull, take } from "./limits.ts";

/** How long a user that has too many connections should wait before it tries again. */
const CONNECTION_LIMIT_RETRY_MS = 5_000;

const NONE: readonly Connection[] = [];

/** A user with connections here, or with limits that are not full again since the last one ended. */
export class User {
  readonly id: string;
  readonly connections: Connection[] = [];
  /** Connections that exist or are being made: the number that is limited. */
  admitted = 0;
  /** Null while it is full: an idle user needs none. */
  messages: Bucket | null = null;
  joins: Bucket | null = null;

  constructor(id: string) {
    this.id = id;
  }
}

/** Which of a user's buckets pays. */
export type Budget = "messages" | "joins";

export interface UserLimits {
  readonly maxConnectionsPerUser: number;
  readonly messages: Rate;
  readonly joins: Rate;
}

export class Users {
  readonly #users = new Map<string, User>();
  /** Users without a connection, kept until their limits are full again. */
  readonly #leaving = new Set<User>();
  readonly limits: UserLimits;

  constructor(limits: UserLimits) {
    this.limits = limits;
  }

  /** Users with a connection. */
  get size(): number {
    return this.#users.size - this.#leaving.size;
  }

  /** Users without one, which are kept for their limits. */
  get resting(): number {
    return this.#leaving.size;
  }

  get(id: string): User | undefined {
    return this.#users.get(id);
  }

  /** Those that were greeted, oldest first. The list itself: whoever ends one of them goes through a copy. */
  connectionsOf(id: string): readonly Connection[] {
    return this.#users.get(id)?.connections ?? NONE;
  }

  /** Takes a place for one more connection, which `release` gives back. Throws CONNECTION_LIMIT. */
  admit(id: string): User {
    let user = this.#users.get(id);
    if (user === undefined) {
      user = new User(id);
      this.#users.set(id, user);
    }
    if (user.admitted >= this.limits.maxConnectionsPerUser) {
      throw new ProtocolError("CONNECTION_LIMIT", { retryAfterMs: CONNECTION_LIMIT_RETRY_MS });
    }
    user.admitted += 1;
    this.#leaving.delete(user);
    return user;
  }

  release(user: User): void {
    user.admitted -= 1;
    if (user.admitted === 0) this.#leaving.add(user);
  }

  /**
   * A message of `user:{id}` with its position, encoded once per framing. A user has a handful of connections: sending to each is
   * cheaper than a native topic for everyone who might be sent to. What that was, each frame once; of text the UTF-16 units.
   */
  deliver(id: string, { body, offset, epoch }: Positioned, counters: Counters): number {
    const connections = this.connectionsOf(id);
    const frames = new Map<Codec, Frame>();
    for (const connection of connections) {
      if (connection.isOwnHeld) continue;
      const { codec } = connection;
      const frame = frames.get(codec) ?? codec.encodePositioned(body, offset, epoch);
      frames.set(codec, frame);
      connection.deliver(frame);
    }
    counters.messagesOut += frames.size;
    counters.messagesDelivered += connections.length;
    let sent = 0;
    for (const { length } of frames.values()) sent += length;
    return sent;
  }

  /** Takes tokens from one of the user's buckets: 0, or the milliseconds until they are there. */
  take(user: User, budget: Budget, cost: number, nowMs: number): number {
    const rate = this.limits[budget];
    const bucket = (user[budget] ??= fullBucket(rate, nowMs));
    return take(bucket, rate, cost, nowMs);
  }

  /** Frees the buckets that are full again. */
  rest(user: User, nowMs: number): void {
    if (user.messages !== null && isFull(user.messages, this.limits.messages, nowMs)) user.messages = null;
    if (user.joins !== null && isFull(user.joins, this.limits.joins, nowMs)) user.joins = null;
  }

  /** Frees users that are gone and whose limits say nothing any more. */
  sweep(nowMs: number): void {
    for (const user of this.#leaving) {
      this.rest(user, nowMs);
      if (user.messages === null && user.joins === null) {
        this.#leaving.delete(user);
        this.#users.delete(user.id);
      }
    }
  }
}
