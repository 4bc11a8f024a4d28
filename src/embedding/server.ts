import type * as v from "valibot";
import { changeOf, PermissionBody } from "../api/permissions.ts";
import { orderOf, RevocationBody } from "../api/revocation.ts";
import { type PrincipalInput, principalFrom } from "../auth/principal-input.ts";
import type { Actor } from "../hub/audit-trail.ts";
import type { Backend, Disconnection, Sent, Subscribed } from "../hub/backend.ts";
import { clearPermissions, type Reach, setPermissions } from "../hub/changed-permissions.ts";
import type { Everywhere } from "../hub/everywhere.ts";
import type { Hub } from "../hub/hub.ts";
import type { Published } from "../hub/publishing.ts";
import type { Gathered } from "../hub/question.ts";
import { roomStats, type RoomStats } from "../hub/stats.ts";
import type { RunningNode } from "../node.ts";
import { isChosenCloseCode } from "../protocol/codes.ts";
import type { GrantedAction } from "../protocol/principal.ts";
import { checked, dataOf, idOf, requireEvent, requireMessageId, requireTopic } from "./arguments.ts";
import type { FollowersOf } from "./server-options.ts";
import { isPermitted } from "./topic-permission.ts";

export interface PublishOptions {
  /** 1–64 characters. The same id in the same topic within five minutes is delivered once. Default: one is made. */
  readonly messageId?: string | undefined;
}

/** Exactly one of `jti`, `sid`, `sub` (a user's id); times in milliseconds since 1970. Source: docs/protocol.md, "Revocation and changed permissions". */
export type RevocationInput = v.InferInput<typeof RevocationBody>;

/** Instead of what tokens say, at least one of them: what is left out stays as they say, an empty one takes everything. */
export interface PermissionInput {
  readonly roles?: readonly string[] | undefined;
  readonly permissions?: readonly string[] | undefined;
  /** Topic pattern → what is granted there. */
  readonly topics?: Readonly<Record<string, readonly GrantedAction[]>> | undefined;
}

const APPLICATION: Actor = { by: "application", userId: null, address: null, userAgent: null };

const MAX_GRACE_MS = 2_147_483_647;

interface ServerParts {
  readonly running: RunningNode;
  readonly defaultRole: string;
  readonly followersOf: FollowersOf | null;
}

/**
 * A node inside of an application. What it publishes reaches clients without `from`, which no client can forge. Wrong names throw a
 * `TypeError` at once; what fails later rejects with a `ProtocolError`, and is logged, so that nobody has to wait for it.
 */
export class Server {
  readonly #running: RunningNode;
  readonly #hub: Hub;
  readonly #backend: Backend;
  readonly #everywhere: Everywhere;
  readonly #defaultRole: string;
  readonly #followersOf: FollowersOf | null;
  #stopped: Promise<void> | null = null;

  constructor({ running, defaultRole, followersOf }: ServerParts) {
    this.#running = running;
    this.#hub = running.hub;
    this.#backend = running.backend;
    this.#everywhere = running.everywhere;
    this.#defaultRole = defaultRole;
    this.#followersOf = followersOf;
  }

  /** `http://127.0.0.1:8080`, or `unix:/path` with the port 0. */
  get address(): { readonly url: string; readonly port: number } {
    return this.#running.address;
  }

  /**
   * Sends an event to everyone in the topic: `{type: event, data, timestamp, …}`. `event` is `[a-z][a-z0-9_.-]{0,63}` and no frame of the
   * protocol, `data` anything that a frame can hold, up to 16 KiB. Resolves with its position once it has one. Rejects MESSAGE_TOO_LARGE,
   * MESSAGE_ID_REUSED (the same id with other content), PUBLISH_FAILED, and with a `TypeError` for `data` that no frame can hold.
   */
  publish(topic: string, event: string, data?: unknown, options: PublishOptions = {}): Promise<Published> {
    requireTopic(topic);
    requireEvent(event);
    const { messageId } = options;
    requireMessageId(messageId);
    return this.#owned(() => this.#backend.publish(topic, { event, data: dataOf(data), messageId }));
  }

  /**
   * Sends an event to every connection of a user, and to those that come back for it in time: its topic `user:{id}`. Resolves and rejects
   * as `publish`; `delivered` is how many connections it went to.
   */
  sendToUser(
    userId: string | number,
    event: string,
    data?: unknown,
    options: PublishOptions = {},
  ): Promise<Sent & Gathered> {
    const id = idOf(userId);
    requireEvent(event);
    const { messageId } = options;
    requireMessageId(messageId);
    return this.#owned(() => this.#everywhere.sendToUser(id, { event, data: dataOf(data), messageId }));
  }

  /**
   * Sends an event to the followers of a user: to whoever receives `followers:{id}`, and to the users whom `followersOf` names. Each
   * connection gets it once; a user of whose connections only some follow gets it twice there, with the same `messageId`. Rejects as
   * `publish`, and with what `followersOf` throws.
   */
  broadcastToFollowers(
    userId: string | number,
    event: string,
    data?: unknown,
    options: PublishOptions = {},
  ): Promise<Sent & Gathered> {
    const id = idOf(userId);
    requireEvent(event);
    const { messageId } = options;
    requireMessageId(messageId);
    return this.#owned(async () => {
      const sent = { event, data: dataOf(data), messageId };
      const followers = this.#followersOf === null ? [] : [...(await this.#followersOf(userId))];
      return this.#everywhere.sendToFollowers(id, sent, followers.map(idOf));
    });
  }

  /**
   * Ends the connections of a user with 4000–4999; 4003, the default, tells clients not to come back. `except` are ids of connections that
   * stay. A reason over 123 bytes of UTF-8 is cut. Throws a `RangeError` for another code.
   */
  disconnect(userId: string | number, options: Disconnection = {}): Promise<{ readonly closed: number } & Gathered> {
    const id = idOf(userId);
    const { code = 4003 } = options;
    if (!isChosenCloseCode(code)) throw new RangeError("a close code is from 4000 to 4999");
    return this.#owned(() => this.#everywhere.disconnect(id, options, APPLICATION));
  }

  /**
   * Makes every connection of a user a member of a topic, whatever its token says, until it ends; each is told by `subscribed`. `skipped` are
   * those that have as many topics as they may. Rejects BAD_REQUEST for a topic `user:…`.
   */
  subscribe(userId: string | number, topic: string): Promise<Subscribed & Gathered> {
    const id = idOf(userId);
    requireTopic(topic);
    return this.#owned(() => this.#everywhere.subscribe(id, topic));
  }

  /** Takes the connections of a user out of a topic; each is told by `unsubscribed` with the code REVOKED. */
  unsubscribe(userId: string | number, topic: string): Promise<{ readonly unsubscribed: number } & Gathered> {
    const id = idOf(userId);
    requireTopic(topic);
    return this.#owned(() => this.#everywhere.unsubscribe(id, topic));
  }

  /** Connections, rooms, and how many users are in each; the largest 1,000 rooms first. */
  getStats(): RoomStats {
    return roomStats(this.#hub);
  }

  /**
   * Whether a user may do it now, by the rules or by `permissionChecker`. Where only members may, it looks at the user's connections to
   * this node. A malformed topic is forbidden. Throws a `TypeError` for what is no user.
   */
  async checkTopicPermission(user: PrincipalInput, topic: string, action: GrantedAction): Promise<boolean> {
    const hub = this.#hub;
    const principal = principalFrom(user, this.#defaultRole, Number.NEGATIVE_INFINITY);
    const isMember = (): boolean => {
      const connections = hub.users.connectionsOf(principal.id);
      return connections.some((connection) => hub.joinedRoom(connection, topic) !== undefined);
    };
    try {
      return await isPermitted(hub, principal, action, topic, isMember);
    } catch {
      return false; // The authorizer has logged why.
    }
  }

  /**
   * Refuses tokens from now on, and closes the connections that came with them (4003). With `tokenValidator` they are known by `tokenId`,
   * `sessionId`, `id` and `issuedAt` of the users that it answers. Rejects OVERLOADED when nothing more can be kept. A `TypeError` says
   * that the order is wrong.
   */
  revoke(revocation: RevocationInput): Promise<{ readonly closed: number } & Gathered> {
    const order = orderOf(checked(RevocationBody, revocation, "a revocation names a jti, a sid or a sub"));
    return this.#owned(() => this.#everywhere.revoke(order, APPLICATION));
  }

  /**
   * Changes what a user may do, at once and for a day, whatever its tokens say; what is left out stays as they say. Topics that live
   * connections may no longer read are left. Resolves with the connections that were checked, and the memberships that ended.
   */
  setPermissions(userId: string | number, change: PermissionInput): Promise<Reach> {
    const id = idOf(userId);
    const changed = changeOf(checked(PermissionBody, change, "a change has roles, permissions or topics"));
    return this.#owned(() => setPermissions(this.#hub, id, changed, APPLICATION));
  }

  /** Takes such a change back. */
  clearPermissions(userId: string | number): Promise<Reach> {
    const id = idOf(userId);
    return this.#owned(() => clearPermissions(this.#hub, id, APPLICATION));
  }

  /**
   * Ends the server: refuses upgrades, tells every client, closes the connections over `graceMs` (default: the setting `drainMs`), each
   * with its own delay after which to come back, and stops listening. 0 closes all at once. A second call joins the first.
   */
  stop(options: { readonly graceMs?: number | undefined } = {}): Promise<void> {
    const { graceMs } = options;
    if (graceMs !== undefined && !(graceMs >= 0 && graceMs <= MAX_GRACE_MS)) {
      throw new RangeError("`graceMs` is a number of milliseconds, 0 or more");
    }
    this.#stopped ??= this.#running.drain(graceMs).then(() => this.#running.stop());
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** A promise that may be left alone: its failure is in the log, and ends no process. */
  #owned<T>(run: () => T | Promise<T>): Promise<T> {
    const promise = Promise.try(run);
    promise.catch((error: unknown) => this.#running.log.warn({ error }, "a call of the application failed"));
    return promise;
  }
}
