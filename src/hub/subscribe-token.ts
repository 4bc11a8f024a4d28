import { isGranted } from "../access.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import { type Grant, Grants } from "./grants.ts";
import { principalOf } from "./guards.ts";
import type { Hub } from "./hub.ts";
import { isAllowed } from "./permission.ts";

/** The `token` of a `subscribe`: what a second token of the same user grants by name on that one topic, for this connection. */

/** What is wrong with a token makes no difference here. */
const REFUSALS: ReadonlySet<string> = new Set(["AUTH_FAILED", "TOKEN_EXPIRED", "FORBIDDEN"]);
const ACTIONS: readonly GrantedAction[] = ["read", "write", "presence"];

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
  if (grant instanceof Promise) return grant.then((known) => joinWith(hub, connection, known, topic, join));
  return joinWith(hub, connection, grant, topic, join);
}

/** Undefined when the token is good and grants nothing here. */
function grantBy(
  hub: Hub,
  connection: Connection,
  token: string,
  topic: string,
): Grant | undefined | Promise<Grant | undefined> {
  try {
    const second = hub.authenticator.verify(token, connection.client.key);
    if (!(second instanceof Promise)) return grantOf(hub, connection, second, topic);
    return second
      .then((known) => grantOf(hub, connection, known, topic))
      .catch((error: unknown) => refuse(hub, connection, topic, error));
  } catch (error) {
    return refuse(hub, connection, topic, error);
  }
}

function grantOf(hub: Hub, connection: Connection, second: Principal, topic: string): Grant | undefined {
  if (second.id !== principalOf(connection).id) throw new ProtocolError("AUTH_FAILED");
  hub.metrics.authentications.add("OK");
  const actions = ACTIONS.filter((action) => isGranted(second.topics, action, topic));
  if (actions.length === 0) return undefined;
  const { expiresAtMs } = second;
  const untilMs = expiresAtMs === null ? Number.POSITIVE_INFINITY : expiresAtMs + hub.options.clockToleranceS * 1_000;
  return { actions, untilMs };
}

function refuse(hub: Hub, connection: Connection, topic: string, error: unknown): never {
  if (!(error instanceof ProtocolError) || !REFUSALS.has(error.code)) throw error;
  hub.metrics.authentications.add("AUTH_FAILED");
  hub.trail.record("auth.failed", connection, "refused", "AUTH_FAILED", { topic });
  throw new ProtocolError("AUTH_FAILED");
}

function joinWith(
  hub: Hub,
  connection: Connection,
  grant: Grant | undefined,
  topic: string,
  join: () => void | Promise<void>,
): void | Promise<void> {
  if (grant === undefined) return join();
  const grants = (connection.grants ??= new Grants());
  const before = grants.setByToken(topic, grant);
  const undo = (error: unknown): never => {
    grants.setByToken(topic, hub.joinedRoom(connection, topic) === undefined ? undefined : before);
    throw error;
  };
  try {
    const joined = join();
    return joined instanceof Promise ? joined.catch(undo) : undefined;
  } catch (error) {
    return undo(error);
  }
}

/** Takes the connection out of the topics that it could read only by a token that has ended. */
export function endGrants(hub: Hub, connection: Connection, nowMs: number): void {
  if (connection.grants === null || connection.grants.size === 0) return;
  for (const topic of connection.grants.expire(nowMs)) {
    const stays = isAllowed(hub, connection, "read", topic);
    if (stays instanceof Promise) void stays.then((known) => end(hub, connection, topic, known));
    else end(hub, connection, topic, stays);
  }
}

function end(hub: Hub, connection: Connection, topic: string, stays: boolean): void {
  if (!stays && connection.state === "open") hub.removeFromTopic(connection, topic, "TOKEN_EXPIRED");
}
