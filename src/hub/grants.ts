import { isGranted } from "../access.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";

/** The backend's word goes before every rule; a token's is what its issuer granted by name, for the rules that ask for that. */
export type Grantor = "backend" | "token";

interface Grant {
  readonly actions: readonly GrantedAction[];
  /** Wall clock, with the tolerance of its token's end; infinite for what does not end by itself. */
  readonly untilMs: number;
}

export interface TokenGrant extends Grant {
  /** The second token that grants it. */
  readonly token: Principal;
}

/**
 * Access to single topics that one connection has beside what its token says: from the backend, or from the token of a `subscribe`. A grant
 * is kept while the connection is in the topic, so there are no more than topics.
 */
export class Grants {
  readonly #byBackend = new Map<string, Grant>();
  readonly #byToken = new Map<string, TokenGrant>();

  get size(): number {
    return this.#byBackend.size + this.#byToken.size;
  }

  /** By the backend. */
  set(topic: string, actions: readonly GrantedAction[], untilMs: number): void {
    this.#byBackend.set(topic, { actions, untilMs });
  }

  /** In place of what the last token granted; undefined takes that away. Returns what it was. */
  setByToken(topic: string, grant: TokenGrant | undefined): TokenGrant | undefined {
    const before = this.#byToken.get(topic);
    if (grant === undefined) this.#byToken.delete(topic);
    else this.#byToken.set(topic, grant);
    return before;
  }

  delete(topic: string): void {
    this.#byBackend.delete(topic);
    this.#byToken.delete(topic);
  }

  /** Who grants the action; null: nobody. */
  find(topic: string, action: GrantedAction, nowMs: number): Grantor | null {
    if (allows(this.#byBackend.get(topic), action, nowMs)) return "backend";
    return allows(this.#byToken.get(topic), action, nowMs) ? "token" : null;
  }

  /** Forgets what has ended, and says which topics that was. */
  expire(nowMs: number): string[] {
    const hasEnded = ({ untilMs }: Grant): boolean => untilMs <= nowMs;
    return [...drop(this.#byBackend, hasEnded), ...drop(this.#byToken, hasEnded)];
  }

  /** Forgets what tokens have granted that grant nothing any more, and says which topics that was. */
  withdraw(isWithdrawn: (token: Principal) => boolean): string[] {
    return drop(this.#byToken, ({ token }) => isWithdrawn(token));
  }

  /** What tokens grant, found out again. */
  renew(actionsOf: (token: Principal, topic: string) => readonly GrantedAction[]): void {
    for (const [topic, grant] of this.#byToken) {
      const actions = actionsOf(grant.token, topic);
      if (actions.length === 0) this.#byToken.delete(topic);
      else this.#byToken.set(topic, { ...grant, actions });
    }
  }
}

function allows(grant: Grant | undefined, action: GrantedAction, nowMs: number): boolean {
  return grant !== undefined && nowMs < grant.untilMs && grant.actions.includes(action);
}

function drop<T>(grants: Map<string, T>, isOver: (grant: T) => boolean): string[] {
  const topics = [...grants].filter(([, grant]) => isOver(grant)).map(([topic]) => topic);
  for (const topic of topics) grants.delete(topic);
  return topics;
}

const GRANTED_ACTIONS: readonly GrantedAction[] = ["read", "write", "presence"];

/** What the `topics` of a token grant on one of them by name. */
export function actionsNamed(topics: Principal["topics"], topic: string): readonly GrantedAction[] {
  return GRANTED_ACTIONS.filter((action) => isGranted(topics, action, topic));
}

/** The same of a second token. Where the backend has changed the user's topics, no token says anything about them. */
export function actionsGrantedBy(hub: Hub, token: Principal, topic: string): readonly GrantedAction[] {
  return actionsNamed(hub.overrides.apply(token).topics, topic);
}

/** A connection of ours, or one that an application has upgraded itself. */
interface Grantee {
  grants: Grants | null;
}

/** Joins with what a second token grants. After a join that fails `restored` says what of the grant before still holds. */
export function joinWithGrant(
  grantee: Grantee,
  topic: string,
  grant: TokenGrant,
  restored: (before: TokenGrant | undefined) => TokenGrant | undefined,
  join: () => void | Promise<void>,
): void | Promise<void> {
  const grants = (grantee.grants ??= new Grants());
  const before = grants.setByToken(topic, grant);
  const undo = (error: unknown): never => {
    grants.setByToken(topic, restored(before));
    freeIfEmpty(grantee);
    throw error;
  };
  try {
    const joined = join();
    return joined instanceof Promise ? joined.catch(undo) : undefined;
  } catch (error) {
    return undo(error);
  }
}

/** After a change of the user's permissions: what its second tokens grant now. */
export function renewGrants(hub: Hub, connection: Connection): void {
  connection.grants?.renew((token, topic) => actionsGrantedBy(hub, token, topic));
  freeIfEmpty(connection);
}

/** Its grants on a topic that it has left. */
export function dropGrants(connection: Connection, topic: string): void {
  connection.grants?.delete(topic);
  freeIfEmpty(connection);
}

export function freeIfEmpty(grantee: Grantee): void {
  if (grantee.grants?.size === 0) grantee.grants = null;
}

const REFUSALS: ReadonlySet<string> = new Set(["AUTH_FAILED", "TOKEN_EXPIRED", "FORBIDDEN"]);

/** Something is wrong with a second token. What it is makes no difference to the client. */
export function isTokenRefusal(error: unknown): boolean {
  return error instanceof ProtocolError && REFUSALS.has(error.code);
}
