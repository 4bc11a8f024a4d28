import { type ChosenCloseCode, isChosenCloseCode, ProtocolError } from "../protocol/codes.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import type { ServerFrame } from "../protocol/server-frames.ts";
import { placeOf } from "../protocol/topic.ts";
import type { Actor } from "./audit-trail.ts";
import type { Connection } from "./connection.ts";
import { asProtocolError } from "./errors.ts";
import { dropGrants, Grants } from "./grants.ts";
import type { Hub } from "./hub.ts";
import { type Join, joinTopic } from "./join.ts";
import { removeFromTopic } from "./membership.ts";
import { type Published, publishEvent } from "./publishing.ts";
import { USER_TOPIC } from "./session.ts";
import { isJoining, whileWaiting, withdrawJoins } from "./waiting-joins.ts";

/** What the application's backend says; whoever receives it sees no `from`. */
export interface BackendEvent {
  /** The name, and so the `type` of the frame. */
  readonly event: string;
  /** At most 16 KiB as JSON; absent is null. */
  readonly data?: unknown;
  /** The same id is delivered once per topic: a request may be repeated. */
  readonly messageId?: string | undefined;
}

/** What became of an event in one of several topics. */
export type TopicResult = { readonly topic: string } & (Published | { readonly code: ErrorCode });

export interface Sent extends Published {
  /** Connections that it went to. */
  readonly delivered: number;
}

export interface Following {
  /** Connections that follow. */
  readonly members: number;
  /** In the order in which they were asked for. */
  readonly users: readonly { readonly connections: number; readonly following: number }[];
  /** False when some node has not told: then nobody counts as served. */
  readonly isWhole: boolean;
}

export interface Subscribed {
  /** Connections that are members now. */
  readonly subscribed: number;
  /** Those that have as many topics as they may, and those that have ended or were taken out meanwhile. */
  readonly skipped: number;
}

export interface Disconnection {
  /** 4000 to 4999; 4003 by default. */
  readonly code?: number | undefined;
  /** At most 123 bytes; by default the name of the code. */
  readonly reason?: string | undefined;
  /** Connections that stay. */
  readonly except?: readonly string[] | undefined;
}

/** An application may name as many as it likes: others get their turn in between. */
const USERS_PER_TURN = 256;

/** FORBIDDEN: it was taken out before it was in. */
const SKIPPED: ReadonlySet<string> = new Set(["TOPIC_LIMIT", "FORBIDDEN"]);

const FOLLOWERS_TOPIC = "followers:";

/**
 * What the application's server side does on this node (`Everywhere`: on all of them), over HTTP or embedded. Nobody's access is asked, topics and event names are
 * well formed already.
 */
export class Backend {
  readonly #hub: Hub;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** The node is about to end: nothing should begin that takes long. */
  get isDraining(): boolean {
    return this.#hub.isDraining;
  }

  /** Throws or rejects MESSAGE_TOO_LARGE, MESSAGE_ID_REUSED, PUBLISH_FAILED. */
  publish(topic: string, { event, data, messageId }: BackendEvent): Published | Promise<Published> {
    return publishEvent(this.#hub, { topic, event, data, messageId, from: null });
  }

  /** One topic that fails keeps none of the others from it. Rejects MESSAGE_TOO_LARGE, which is true of all of them. */
  publishToMany(topics: readonly string[], event: BackendEvent): Promise<TopicResult[]> {
    return Promise.all([...new Set(topics)].map((topic) => this.#tryToPublish(topic, event)));
  }

  async #tryToPublish(topic: string, event: BackendEvent): Promise<TopicResult> {
    try {
      return { topic, ...(await this.publish(topic, event)) };
    } catch (error) {
      const { code } = asProtocolError(error, this.#hub.report);
      if (code === "MESSAGE_TOO_LARGE") throw error;
      return { topic, code };
    }
  }

  /** To all connections of the user, and to those that come back for it in time. Throws or rejects as `publish`. */
  sendToUser(userId: string, event: BackendEvent): Sent | Promise<Sent> {
    const delivered = this.#connectionsOf(userId).length;
    const published = this.publish(USER_TOPIC + userId, event);
    if (published instanceof Promise) return published.then((known) => ({ ...known, delivered }));
    return { ...published, delivered };
  }

  /** Who follows a user here: how many connections, and of each of these users how many there are and how many of them follow. */
  following(userId: string, users: readonly string[]): Following {
    const room = this.#hub.rooms.get(FOLLOWERS_TOPIC + userId);
    const counted = users.map((id) => {
      const connections = this.#hub.users.connectionsOf(id);
      const following = room === undefined ? 0 : connections.filter(({ rooms }) => rooms.includes(room)).length;
      return { connections: connections.length, following };
    });
    return { members: room?.members ?? 0, users: counted, isWhole: true };
  }

  /**
   * To the followers of a user, and to the users `to`, of whom `following` tells in their order. Each connection gets it once: those of `to` who
   * follow on all of their connections are served by the topic already. Where only some follow, and for whoever is away, it goes to the
   * user too, under the same message id.
   */
  async sendToFollowers(
    userId: string,
    event: BackendEvent,
    to: readonly string[] = [],
    following: Following = this.following(userId, to),
  ): Promise<Sent> {
    let delivered = following.members;
    const others = new Set<string>();
    for (const [index, id] of to.entries()) {
      const user = following.users[index] ?? { connections: 0, following: 0 };
      const isServed = following.isWhole && user.connections > 0 && user.connections === user.following;
      if (isServed || others.has(id)) continue;
      others.add(id);
      delivered += user.connections - user.following;
    }
    const published = await this.publish(FOLLOWERS_TOPIC + userId, event);
    const { messageId } = published;
    let sent = 0;
    for (const id of others) {
      const taken = this.publish(USER_TOPIC + id, { ...event, messageId });
      if (taken instanceof Promise) await taken;
      sent += 1;
      if (sent % USERS_PER_TURN === 0) await new Promise<void>((next) => this.#hub.later(next));
    }
    return { ...published, delivered };
  }

  /** Ends the user's connections, and says how many those were. Throws BAD_REQUEST for a code that is not the application's to choose. */
  disconnect(userId: string, { code = 4003, reason, except = [] }: Disconnection, actor: Actor): number {
    if (!isChosenCloseCode(code)) throw new ProtocolError("BAD_REQUEST");
    const connections = [...this.#connectionsOf(userId), ...this.#enteringOf(userId)];
    const ending = connections.filter(({ id }) => !except.includes(id));
    for (const connection of ending) this.#end(connection, code, reason);
    if (ending.length > 0) {
      const about = { ofUser: userId, connections: ending.length, closeCode: code };
      this.#hub.trail.commanded("user.disconnected", actor, about);
    }
    return ending.length;
  }

  /** It is out of its topics at once, whatever the code: nobody is held for a user who was told to go. */
  #end(connection: Connection, code: ChosenCloseCode, reason: string | undefined): void {
    for (const room of [...connection.rooms]) {
      this.#hub.rooms.leave(connection, room);
      if (connection.principal !== null) this.#hub.presence.leave(room, connection.principal.id, "announce");
    }
    connection.close(code, reason);
  }

  /**
   * Makes every connection of the user a member that may read the topic until it ends, whatever its token says. Those that have as many
   * topics as they may are skipped. Throws BAD_REQUEST for a topic `user:…`, which is nobody else's.
   */
  async subscribe(userId: string, topic: string): Promise<Subscribed> {
    if (topic.startsWith(USER_TOPIC)) throw new ProtocolError("BAD_REQUEST");
    const connections = this.#connectionsOf(userId);
    const joined = await Promise.all(connections.map((connection) => this.#join(connection, topic)));
    const subscribed = joined.filter(Boolean).length;
    return { subscribed, skipped: connections.length - subscribed };
  }

  async #join(connection: Connection, topic: string): Promise<boolean> {
    const { principal } = connection;
    if (principal === null) return false;
    const grant = (): void => {
      connection.grants ??= new Grants();
      connection.grants.set(topic, ["read"], Number.POSITIVE_INFINITY);
    };
    // The client knows already: a backend may repeat its request.
    if (this.#hub.joinedRoom(connection, topic) !== undefined) {
      grant();
      return true;
    }
    try {
      const join: Join = {
        topic,
        id: undefined,
        recover: undefined,
        answer: (joined): ServerFrame => ({ type: "subscribed", ...placeOf(topic), ...joined }),
        isUnasked: true,
      };
      const joining = whileWaiting(connection, join, () => joinTopic(this.#hub, connection, principal, join));
      // At once, before anybody could look whether it may stay.
      grant();
      await joining;
    } catch (error) {
      const isMember = this.#hub.joinedRoom(connection, topic) !== undefined;
      if (!isMember && !isJoining(connection, topic)) dropGrants(connection, topic);
      if (error instanceof ProtocolError && SKIPPED.has(error.code)) return false;
      throw error;
    }
    return connection.state === "open";
  }

  /** Takes the user's connections out of a topic, and says how many were in it. What their tokens allow they may join again. */
  unsubscribe(userId: string, topic: string): number {
    let left = 0;
    for (const connection of this.#connectionsOf(userId)) {
      withdrawJoins(connection, topic);
      dropGrants(connection, topic);
      if (removeFromTopic(this.#hub, connection, topic, "REVOKED")) left += 1;
    }
    return left;
  }

  /** Those that are known to be the user's and wait to be greeted. There are few moments in which there are any. */
  #enteringOf(userId: string): Connection[] {
    const user = this.#hub.users.get(userId);
    if (user === undefined || user.admitted === user.connections.length) return [];
    return [...this.#hub.connections].filter(
      (connection) => connection.user === user && connection.state !== "gone" && !user.connections.includes(connection),
    );
  }

  /** A copy: ending one of them changes the list. */
  #connectionsOf(userId: string): Connection[] {
    return [...this.#hub.users.connectionsOf(userId)];
  }
}
