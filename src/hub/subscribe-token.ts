import { ProtocolError } from "../protocol/codes.ts";
import { acceptedUntilMs, type Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import { actionsGrantedBy, isTokenRefusal, joinWithGrant, type TokenGrant } from "./grants.ts";
import { principalOf } from "./guards.ts";
import type { Hub } from "./hub.ts";
import { loseForbidden } from "./recheck.ts";

/** The `token` of a `subscribe`: what a second token of the same user grants by name on that one topic, for this connection. */

/**
 * Joins with what the token grants, which lasts until the token ends or the topic is left; a join that fails leaves nothing granted. Throws
 * or rejects what the join does, and AUTH_FAILED for every token that is not a good one of this user: then nothing is joined, and nothing
 * ends.
 */
export function joinWithToken(
  hub: Hub,
  connection: Connection,
  token: string,
  topic: string,
  join: () => void | Promise<void>,
): void | Promise<void> {
  const grant = grantBy(hub, connection, token, topic);
  const joinWith = (known: TokenGrant | undefined): void | Promise<void> => {
    if (known === undefined) return join();
    let hasLost = false;
    const restored = (before: TokenGrant | undefined): TokenGrant | undefined => {
      if (before === undefined || hub.joinedRoom(connection, topic) === undefined) return undefined;
      const still = stillGranted(hub, before, topic);
      hasLost = still === undefined;
      return still;
    };
    const joined = joinWithGrant(connection, topic, known, restored, join);
    if (!(joined instanceof Promise)) return;
    return joined.catch(async (error: unknown) => {
      if (hasLost) await loseForbidden(hub, connection, [topic], "REVOKED");
      throw error;
    });
  };
  return grant instanceof Promise ? grant.then(joinWith) : joinWith(grant);
}

/** While a join waited, nobody who revoked a token or changed permissions could see the grant that it stood in for. */
function stillGranted(hub: Hub, before: TokenGrant, topic: string): TokenGrant | undefined {
  if (hub.authenticator.isRefused(before.token) || before.untilMs <= hub.clock.now()) return undefined;
  const actions = actionsGrantedBy(hub, before.token, topic);
  return actions.length === 0 ? undefined : { ...before, actions };
}

/** Undefined when the token is good and grants nothing here. */
function grantBy(
  hub: Hub,
  connection: Connection,
  token: string,
  topic: string,
): TokenGrant | undefined | Promise<TokenGrant | undefined> {
  try {
    const second = hub.authenticator.verify(token, connection.client.key, connection);
    if (!(second instanceof Promise)) return grantOf(hub, connection, second, topic);
    return second
      .then((known) => grantOf(hub, connection, known, topic))
      .catch((error: unknown) => refuse(hub, connection, topic, error));
  } catch (error) {
    return refuse(hub, connection, topic, error);
  }
}

function grantOf(hub: Hub, connection: Connection, second: Principal, topic: string): TokenGrant | undefined {
  if (second.id !== principalOf(connection).id || hub.authenticator.isRefused(second)) {
    throw new ProtocolError("AUTH_FAILED");
  }
  hub.metrics.authentications.add("OK");
  const actions = actionsGrantedBy(hub, second, topic);
  if (actions.length === 0) return undefined;
  return { actions, untilMs: acceptedUntilMs(second, hub.options.clockToleranceS), token: second };
}

function refuse(hub: Hub, connection: Connection, topic: string, error: unknown): never {
  if (!isTokenRefusal(error)) throw error;
  hub.metrics.authentications.add("AUTH_FAILED");
  hub.trail.record("auth.failed", connection, "refused", "AUTH_FAILED", { topic });
  throw new ProtocolError("AUTH_FAILED");
}
