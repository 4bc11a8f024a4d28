import type { RevocationKind } from "../broker/broker.ts";
import { isIssuedBy, type Principal } from "../protocol/principal.ts";
import type { Actor } from "./audit-trail.ts";
import type { Connection } from "./connection.ts";
import { freeIfEmpty } from "./grants.ts";
import type { Hub } from "./hub.ts";
import { loseForbidden } from "./recheck.ts";

/** Ends tokens before their time, and the connections that live by them (docs/protocol.md, "Revocation and changed permissions"). */

export interface RevocationOrder {
  readonly kind: RevocationKind;
  /** The `jti`, the `sid`, or the id of the user. */
  readonly value: string;
  /** Only what was issued up to then, wall clock. Null: for a user up to now, else whatever was issued. */
  readonly issuedBeforeMs: number | null;
  /** When the last of these tokens ends, wall clock; null: the caller does not know. */
  readonly expiresAtMs: number | null;
}

export interface Revoked {
  /** Connections of this node that were closed: others close theirs when they are told. */
  readonly closed: number;
}

/** How long a token is refused of which nobody knows when it ends. */
const LONGEST_LIFE_MS = 365 * 86_400_000;

/**
 * From its return, or the end of its promise, on the tokens open nothing any more, and the connections that live by them are closed.
 * Throws or rejects OVERLOADED when there is no room for the revocation, then nothing has happened; and UNAVAILABLE when nobody says that it was
 * taken: when it was, it is carried out as those of other nodes are (revoked-elsewhere.ts).
 */
export function revoke(hub: Hub, order: RevocationOrder, actor: Actor): Revoked | Promise<Revoked> {
  const { kind, value } = order;
  const nowMs = hub.clock.now();
  const issuedBeforeMs = order.issuedBeforeMs ?? (kind === "sub" ? nowMs : null);
  const untilMs = endOf(hub, order, Math.max(nowMs, issuedBeforeMs ?? nowMs));
  const added = hub.revocations.add({ kind, value, issuedBeforeMs, untilMs });
  const close = (): Revoked => closeRevoked(hub, order, actor);
  return added instanceof Promise ? added.then(close) : close();
}

/**
 * A token that is known by its id ends when a connection with it says so. Of a session or a user there may be tokens that nobody here
 * has seen, so without the caller's word the longest life counts.
 */
function endOf(hub: Hub, { kind, value, expiresAtMs }: RevocationOrder, lastIssuedMs: number): number {
  const { clockToleranceS, maxTokenLifetimeS } = hub.options;
  const toleranceMs = clockToleranceS * 1_000;
  let endMs = expiresAtMs ?? 0;
  for (const { bearer } of liveOf(hub, kind, value)) endMs = Math.max(endMs, bearer.expiresAtMs ?? 0);
  const isKnown = expiresAtMs !== null || (kind === "jti" && endMs > 0);
  if (!isKnown) {
    // By the tolerance `iat` may be in the future.
    const lifeMs = maxTokenLifetimeS === null ? LONGEST_LIFE_MS : maxTokenLifetimeS * 1_000 + toleranceMs;
    endMs = Math.max(endMs, lastIssuedMs + lifeMs);
  }
  return endMs + toleranceMs;
}

interface Live {
  readonly connection: Connection;
  readonly bearer: Principal;
}

/** The connections whose token has the id, the session or the user. A copy, for closing one takes it from the lists. */
function liveOf(hub: Hub, kind: RevocationKind, value: string): Live[] {
  const live: Live[] = [];
  const connections = kind === "sub" ? hub.users.connectionsOf(value) : hub.connections;
  for (const connection of connections) {
    const { bearer, state } = connection;
    if (state === "open" && bearer !== null && isOf(bearer, kind, value)) live.push({ connection, bearer });
  }
  return live;
}

/** How many connections an order will close here. */
export function bearersOf(hub: Hub, { kind, value, issuedBeforeMs }: Omit<RevocationOrder, "expiresAtMs">): number {
  return liveOf(hub, kind, value).filter(({ bearer }) => isIssuedBy(bearer.issuedAtMs, issuedBeforeMs)).length;
}

function isOf(bearer: Principal, kind: RevocationKind, value: string): boolean {
  return (kind === "sub" ? bearer.id : bearer[kind]) === value;
}

function closeRevoked(hub: Hub, { kind, value }: RevocationOrder, actor: Actor): Revoked {
  const revoked = liveOf(hub, kind, value).filter(({ bearer }) => hub.authenticator.isRefused(bearer));
  for (const { connection } of revoked) connection.close(4003, "REVOKED");
  withdrawGrants(hub, (token) => isOf(token, kind, value));
  const [first] = revoked;
  const ofUser = kind === "sub" ? value : first?.bearer.id;
  hub.trail.commanded("token.revoked", actor, {
    ...{ kind, connections: revoked.length },
    ...(ofUser !== undefined && { ofUser }),
  });
  return { closed: revoked.length };
}

/** A second token that was shown for a single topic carries no connection: only what it granted ends. */
export function withdrawGrants(hub: Hub, isNamed: (token: Principal) => boolean): void {
  for (const connection of hub.connections) {
    if (connection.grants === null || connection.state !== "open") continue;
    const topics = connection.grants.withdraw((token) => isNamed(token) && hub.authenticator.isRefused(token));
    freeIfEmpty(connection);
    const lost = loseForbidden(hub, connection, topics, "REVOKED");
    if (lost instanceof Promise) lost.catch((error: unknown) => hub.report(error, connection.id));
  }
}
