import type { Access } from "../access.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";

interface Grant {
  readonly actions: readonly GrantedAction[];
  /** Wall clock, with the tolerance of its token's end; infinite for what the backend gave. */
  readonly untilMs: number;
  /** The token that grants it; null: the backend did. */
  readonly token: Principal | null;
}

/** Access to single topics that one connection has beside what its token says: from the token of a `subscribe`, or from the backend. */
export class Grants {
  readonly #byTopic = new Map<string, Grant>();

  get size(): number {
    return this.#byTopic.size;
  }

  set(topic: string, actions: readonly GrantedAction[], untilMs: number, token: Principal | null = null): void {
    this.#byTopic.set(topic, { actions, untilMs, token });
  }

  delete(topic: string): void {
    this.#byTopic.delete(topic);
  }

  isFor(topic: string): boolean {
    return this.#byTopic.has(topic);
  }

  has(topic: string, action: GrantedAction, nowMs: number): boolean {
    const grant = this.#byTopic.get(topic);
    return grant !== undefined && nowMs < grant.untilMs && grant.actions.includes(action);
  }

  /** Forgets what has ended, and says which topics that was. */
  expire(nowMs: number): string[] {
    return this.#drop(({ untilMs }) => untilMs <= nowMs);
  }

  /** Forgets what tokens have granted that grant nothing any more, and says which topics that was. */
  withdraw(isWithdrawn: (token: Principal) => boolean): string[] {
    return this.#drop(({ token }) => token !== null && isWithdrawn(token));
  }

  /** What tokens grant, found out again. */
  renew(actionsOf: (token: Principal, topic: string) => readonly GrantedAction[]): void {
    for (const [topic, { token, untilMs }] of this.#byTopic) {
      if (token === null) continue;
      const actions = actionsOf(token, topic);
      if (actions.length === 0) this.#byTopic.delete(topic);
      else this.#byTopic.set(topic, { actions, untilMs, token });
    }
  }

  #drop(isOver: (grant: Grant) => boolean): string[] {
    const topics: string[] = [];
    for (const [topic, grant] of this.#byTopic) {
      if (!isOver(grant)) continue;
      this.#byTopic.delete(topic);
      topics.push(topic);
    }
    return topics;
  }
}

const ACTIONS: readonly GrantedAction[] = ["read", "write", "presence"];

/** What the user may do with a topic when a second token says which topics: everything else stays as it is. */
export function actionsGrantedBy(
  token: Principal,
  principal: Principal,
  topic: string,
  access: Access,
): readonly GrantedAction[] {
  const together = { ...principal, topics: token.topics };
  return ACTIONS.filter((action) => access.may(together, action, topic) === "yes");
}

/** After a change of the principal: what its second tokens grant now. */
export function renewGrants(hub: Hub, connection: Connection, principal: Principal): void {
  if (connection.grants === null) return;
  connection.grants.renew((token, topic) => {
    return actionsGrantedBy(hub.overrides.apply(token), principal, topic, hub.access);
  });
  if (connection.grants.size === 0) connection.grants = null;
}
