import * as v from "valibot";
import type { Nodes } from "../broker/broker.ts";
import { count, topic } from "../protocol/fields.ts";
import { ID } from "../protocol/topic.ts";
import type { Actor } from "./audit-trail.ts";
import type { Backend, BackendEvent, Disconnection, Following, Sent, Subscribed } from "./backend.ts";
import type { Hub } from "./hub.ts";
import { answer, ask, gather, type Gathered, type Question, sumOf } from "./question.ts";
import { bearersOf, revoke, type Revoked, type RevocationOrder } from "./revocation.ts";

const userId = v.pipe(v.string(), v.regex(ID));
const nullableText = v.nullable(v.pipe(v.string(), v.maxLength(1_024)));
const actor = v.object({
  by: v.picklist(["key", "token", "application", "node"]),
  ...{ userId: nullableText, address: nullableText, userAgent: nullableText },
});

/** Users in one question: their answers have to fit into a message. */
const MAX_USERS = 1_000;

const CONNECTIONS = { name: "count-connections", asked: userId, answered: count } satisfies Question<string, number>;

const FOLLOWING = {
  name: "count-followers",
  asked: v.object({ userId, users: v.pipe(v.array(userId), v.maxLength(MAX_USERS)) }),
  answered: v.object({
    members: count,
    users: v.pipe(v.array(v.object({ connections: count, following: count })), v.maxLength(MAX_USERS), v.readonly()),
  }),
};

const DISCONNECT = {
  name: "disconnect-user",
  asked: v.object({
    userId,
    code: v.optional(v.number()),
    reason: v.optional(v.string()),
    except: v.optional(v.array(v.string())),
    actor,
  }),
  answered: count,
};

const SUBSCRIBE = {
  name: "subscribe-user",
  asked: v.object({ userId, topic }),
  answered: v.object({ subscribed: count, skipped: count }),
};

const UNSUBSCRIBE = { name: "unsubscribe-user", asked: v.object({ userId, topic }), answered: count };

const BEARERS = {
  name: "count-bearers",
  asked: v.object({
    ...{ kind: v.picklist(["jti", "sid", "sub"]), value: v.string() },
    issuedBeforeMs: v.nullable(v.number()),
  }),
  answered: count,
};

/**
 * What the application's server side does on all nodes: `Backend` on this one, the same asked of every other. A node that is alone answers
 * as its `Backend` does, and as soon.
 */
export class Everywhere {
  readonly #hub: Hub;
  readonly #nodes: Nodes;
  readonly #backend: Backend;

  /** Answers the questions of the other nodes from now on. */
  constructor(hub: Hub, nodes: Nodes, backend: Backend) {
    this.#hub = hub;
    this.#nodes = nodes;
    this.#backend = backend;
    answer(nodes, CONNECTIONS, (id) => hub.users.connectionsOf(id).length);
    answer(nodes, FOLLOWING, (asked) => backend.following(asked.userId, asked.users));
    answer(nodes, DISCONNECT, (asked) => backend.disconnect(asked.userId, asked, asked.actor));
    answer(nodes, SUBSCRIBE, (asked) => backend.subscribe(asked.userId, asked.topic));
    answer(nodes, UNSUBSCRIBE, (asked) => backend.unsubscribe(asked.userId, asked.topic));
    answer(nodes, BEARERS, (asked) => bearersOf(hub, asked));
  }

  /** As `Backend.sendToUser`; `delivered` are the connections on all nodes. */
  sendToUser(user: string, event: BackendEvent): (Sent & Gathered) | Promise<Sent & Gathered> {
    const sent = this.#backend.sendToUser(user, event);
    return gather(sent, ask(this.#nodes, CONNECTIONS, user), (own, others) => ({
      ...own,
      delivered: own.delivered + sumOf(others),
    }));
  }

  /** As `Backend.sendToFollowers`. Where a node does not say who follows there, nobody is left out. */
  async sendToFollowers(user: string, event: BackendEvent, to: readonly string[] = []): Promise<Sent & Gathered> {
    if (this.#nodes.isAlone) return this.#backend.sendToFollowers(user, event, to);
    const { following, nodesMissing } = await this.#followingEverywhere(user, to);
    const sent = await this.#backend.sendToFollowers(user, event, to, following);
    return nodesMissing === undefined ? sent : { ...sent, nodesMissing };
  }

  async #followingEverywhere(user: string, to: readonly string[]): Promise<{ following: Following } & Gathered> {
    const users: Following["users"][number][] = [];
    const missing = new Set<string>();
    let members = 0;
    let from = 0;
    do {
      const slice = to.slice(from, from + MAX_USERS);
      const heard = await ask(this.#nodes, FOLLOWING, { userId: user, users: slice });
      for (const node of heard.missing) missing.add(node);
      const all = [this.#backend.following(user, slice), ...heard.answers];
      // Everyone says the same in each slice.
      members = Math.max(members, sumOf(all.map((known) => known.members)));
      for (const index of slice.keys()) {
        const known = all.map((each) => each.users[index] ?? { connections: 0, following: 0 });
        const connections = sumOf(known.map((each) => each.connections));
        users.push({ connections, following: sumOf(known.map((each) => each.following)) });
      }
      from += MAX_USERS;
    } while (from < to.length);
    const following = { members, users, isWhole: missing.size === 0 };
    return missing.size === 0 ? { following } : { following, nodesMissing: [...missing].toSorted() };
  }

  /** As `Backend.disconnect`, on all nodes. */
  disconnect(
    user: string,
    disconnection: Disconnection,
    by: Actor,
  ): ({ closed: number } & Gathered) | Promise<{ closed: number } & Gathered> {
    const { code, reason, except } = disconnection;
    const closed = this.#backend.disconnect(user, disconnection, by);
    const asked = { userId: user, code, reason, except: except === undefined ? undefined : [...except], actor: by };
    return gather(closed, ask(this.#nodes, DISCONNECT, asked), (own, others) => ({ closed: own + sumOf(others) }));
  }

  /** As `Backend.subscribe`, on all nodes. */
  subscribe(user: string, to: string): (Subscribed & Gathered) | Promise<Subscribed & Gathered> {
    const subscribed = this.#backend.subscribe(user, to);
    return gather(subscribed, ask(this.#nodes, SUBSCRIBE, { userId: user, topic: to }), (own, others) => ({
      subscribed: own.subscribed + sumOf(others.map((each) => each.subscribed)),
      skipped: own.skipped + sumOf(others.map((each) => each.skipped)),
    }));
  }

  /** As `Backend.unsubscribe`, on all nodes. */
  unsubscribe(
    user: string,
    from: string,
  ): ({ unsubscribed: number } & Gathered) | Promise<{ unsubscribed: number } & Gathered> {
    const left = this.#backend.unsubscribe(user, from);
    return gather(left, ask(this.#nodes, UNSUBSCRIBE, { userId: user, topic: from }), (own, others) => ({
      unsubscribed: own + sumOf(others),
    }));
  }

  /**
   * As `revoke`; `closed` are the connections on all nodes. The others learn of the revocation by the store. They are asked before, while
   * the connections are still there, how many it will close.
   */
  revoke(order: RevocationOrder, by: Actor): (Revoked & Gathered) | Promise<Revoked & Gathered> {
    const { kind, value } = order;
    const issuedBeforeMs = order.issuedBeforeMs ?? (kind === "sub" ? this.#hub.clock.now() : null);
    const bearers = ask(this.#nodes, BEARERS, { kind, value, issuedBeforeMs });
    const revoked = revoke(this.#hub, { ...order, issuedBeforeMs }, by);
    return gather(revoked, bearers, (own, others) => ({ closed: own.closed + sumOf(others) }));
  }
}
