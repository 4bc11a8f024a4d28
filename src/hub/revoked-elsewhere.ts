import type { RevocationKind, RevokedElsewhere } from "../broker/broker.ts";
import type { Principal } from "../protocol/principal.ts";
import { NODE } from "./audit-trail.ts";
import type { Hub } from "./hub.ts";
import { withdrawGrants } from "./revocation.ts";

interface Closed {
  connections: number;
  ofUser: string | undefined;
}

/**
 * The part of this node in what others ordered: their store has told the one here already. After a while without connection to the store there may be
 * thousands of them, so the connections are looked through once for all.
 */
export function revokedElsewhere(hub: Hub, revocations: readonly RevokedElsewhere[]): void {
  const closed = new Map<string, Closed>();
  for (const { kind, value } of revocations) {
    closed.set(nameOf(kind, value), { connections: 0, ofUser: kind === "sub" ? value : undefined });
  }
  // A copy, for closing one takes it from the list.
  for (const connection of [...hub.connections]) {
    const { bearer, state } = connection;
    if (state !== "open" || bearer === null) continue;
    const count = firstOf(closed, bearer);
    if (count === undefined || !hub.authenticator.isRefused(bearer)) continue;
    connection.close(4003, "REVOKED");
    count.connections += 1;
    count.ofUser ??= bearer.id;
  }
  withdrawGrants(hub, (token) => firstOf(closed, token) !== undefined);
  for (const { kind, value, node } of revocations) {
    const { connections = 0, ofUser } = closed.get(nameOf(kind, value)) ?? {};
    hub.trail.commanded("token.revoked", NODE, {
      ...{ kind, connections, orderedOn: node },
      ...(ofUser !== undefined && { ofUser }),
    });
  }
}

/** A token that several of them mean counts for one. */
function firstOf(closed: ReadonlyMap<string, Closed>, { id, jti, sid }: Principal): Closed | undefined {
  const ofUser = closed.get(nameOf("sub", id));
  if (ofUser !== undefined) return ofUser;
  const ofToken = jti === null ? undefined : closed.get(nameOf("jti", jti));
  return ofToken ?? (sid === null ? undefined : closed.get(nameOf("sid", sid)));
}

function nameOf(kind: RevocationKind, value: string): string {
  return `${kind}:${value}`;
}
