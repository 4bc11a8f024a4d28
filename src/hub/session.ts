import * as v from "valibot";
import type { Entrance, Position } from "../broker/broker.ts";
import type { CloseCode, ErrorCode } from "../protocol/codes.ts";
import { CLOSES, ERRORS, ProtocolError } from "../protocol/codes.ts";
import type { FrameId } from "../protocol/frames.ts";
import type { Greeting } from "../protocol/server-frames.ts";
import { clientFrames } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import { asProtocolError, errorContext } from "./errors.ts";
import type { Hub } from "./hub.ts";
import { recheck } from "./recheck.ts";

/**
 * Who a connection is: authentication by the first frame, the greeting, and a new token on a live connection.
 * Source: docs/protocol.md, "Endpoints" and "Where the token is".
 */

export const USER_TOPIC = "user:";

/** Of the topics that the user receives without asking, the one that has no room. */
export function isOwnTopic(principal: Principal, topic: string): boolean {
  return topic === USER_TOPIC + principal.id;
}

/** The topics that a user receives without asking, on every endpoint: each once, however often the token names it. */
export function automaticTopicsOf(principal: Principal): string[] {
  const own = USER_TOPIC + principal.id;
  if (principal.follows.length === 0) return [own];
  return [own, ...new Set(principal.follows.map((id) => `followers:${id}`))];
}

/** The `auth` frame of a connection that has not authenticated yet. */
export function authenticate(
  hub: Hub,
  connection: Connection,
  decoded: Readonly<Record<string, unknown>>,
): void | Promise<void> {
  const { id } = errorContext(decoded);
  try {
    const frame = v.safeParse(clientFrames.auth, decoded, { abortEarly: true });
    if (!frame.success) throw new ProtocolError("BAD_MESSAGE");
    const principal = hub.authenticator.verify(frame.output.token, connection.client.key, connection);
    if (!(principal instanceof Promise)) return admit(hub, connection, principal, id);
    return principal
      .then((known) => admit(hub, connection, known, id))
      .catch((error: unknown) => refuse(hub, connection, asProtocolError(error, hub.report), id));
  } catch (error) {
    return refuse(hub, connection, asProtocolError(error, hub.report), id);
  }
}

function admit(hub: Hub, connection: Connection, principal: Principal, id: FrameId | undefined): void | Promise<void> {
  // The peer may have gone, or the deadline passed, while the token was checked.
  if (connection.state !== "pending") return;
  try {
    connection.user = hub.users.admit(principal.id);
  } catch (error) {
    return refuse(hub, connection, asProtocolError(error, hub.report), id, principal.id);
  }
  connection.bearer = principal;
  connection.principal = hub.overrides.apply(principal);
  hub.authenticated(connection);
  return greet(hub, connection, principal, connection.endpoint.greeting, id);
}

/** Ends the connection with the code that belongs to it, after a frame that tells why where the endpoint refuses by one. */
export function refuse(
  hub: Hub,
  connection: Connection,
  error: ProtocolError,
  id?: FrameId,
  userId: string | null = null,
): void {
  if (connection.state === "gone") return;
  const { code, details } = hub.turnedAway.told(error);
  const { retryAfterMs } = details;
  const { client, userAgent, id: connectionId } = connection;
  hub.metrics.errors.add(code);
  hub.trail.refused(code, { client, userAgent, connectionId, userId });
  if (connection.endpoint.refusesBy === "close") return connection.close(closeCodeOf(code));
  connection.send({
    type: "auth_error",
    code,
    message: "Authentication failed",
    ...(id !== undefined && { id }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    timestamp: hub.clock.now(),
  });
  const closeCode = closeCodeOf(code);
  const isForLater = CLOSES[closeCode].then === "reconnect-later";
  connection.close(closeCode, isForLater ? JSON.stringify({ retryAfterMs }) : code);
}

function closeCodeOf(code: ErrorCode): CloseCode {
  const { close } = ERRORS[code];
  return close === 0 ? 4001 : close;
}

/** Greets, then joins the automatic topics: the positions in the greeting are those at which live frames go on. */
export function greet(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  type: "connected" | "auth_success",
  id?: FrameId,
): void | Promise<void> {
  const topics = automaticTopicsOf(principal);
  topics.push(...connection.topics);
  const greeting = hub.broker.enter(topics.map(standing), (positions) =>
    finishGreeting(hub, connection, principal, type, topics, positions, id),
  );
  if (!(greeting instanceof Promise)) return greeting;
  return greeting.catch((error: unknown) => endUngreeted(hub, connection, error, id));
}

/** The broker went away in between: a connection that was never greeted is nothing that a client could use. */
function endUngreeted(hub: Hub, connection: Connection, failure: unknown, id: FrameId | undefined): void {
  const isGreeted = connection.user?.connections.includes(connection) === true;
  if (isGreeted) throw failure;
  const error = asProtocolError(failure, hub.report);
  if (connection.endpoint.refusesBy === "frame") return refuse(hub, connection, error, id);
  hub.metrics.errors.add(error.code);
  connection.close(closeCodeOf(error.code));
}

function standing(topic: string): Entrance {
  return { topic, since: null };
}

function finishGreeting(
  hub: Hub,
  connection: Connection,
  holder: Principal,
  type: "connected" | "auth_success",
  topics: readonly string[],
  positions: readonly Position[],
  id: FrameId | undefined,
): void | Promise<void> {
  if (connection.state !== "open") return;
  // From here on whoever ends a user's tokens or changes its permissions finds the connection. What happened before is made up for.
  const bearer = connection.bearer ?? holder;
  if (hub.authenticator.isRefused(bearer)) return connection.close(4003, "REVOKED");
  const principal = hub.overrides.apply(bearer);
  const greeting: Greeting = {
    type,
    protocol: 1,
    connectionId: connection.id,
    user: {
      id: principal.wireId,
      username: principal.username,
      name: principal.name,
      // A copy, for the list itself is frozen, and with one frozen array in it JSON.stringify takes three times as long.
      roles: [...principal.roles],
      permissions: hub.access.permissionsOf(principal),
    },
    endpoint: connection.endpoint.path,
    topics: withPositions(topics, positions),
    expiresAt: principal.expiresAtMs,
    timestamp: hub.clock.now(),
  };
  if (type === "auth_success") greeting.message = "Authentication successful";
  if (id !== undefined) greeting.id = id;
  if (connection.echo !== null) Object.assign(greeting, connection.echo);
  const isNew = hub.attachToUser(connection);
  connection.sendWith(greeting, hub.terms.in(connection.codec));
  joinAll(hub, connection, principal, topics);
  if (principal !== connection.principal) {
    const lost = recheck(hub, connection, principal, "FORBIDDEN");
    if (lost instanceof Promise) return lost.then(() => tellApplication(hub, connection, isNew));
  }
  return tellApplication(hub, connection, isNew);
}

/** Once per connection: it may be greeted again, by a second `auth`. */
function tellApplication(hub: Hub, connection: Connection, isNew: boolean): void | Promise<void> {
  if (isNew) return hub.application?.connected(connection);
}

/** A loop and no `map`: every handshake runs it, mostly for one topic. */
function withPositions(topics: readonly string[], positions: readonly Position[]): Greeting["topics"] {
  const placed: { topic: string; offset: number; epoch: string }[] = [];
  for (const { offset, epoch } of positions) placed.push({ topic: topics[placed.length] ?? "", offset, epoch });
  return placed;
}

/** The topic `user:{id}` has no room: its few members are found by the user, which costs a connection nothing. */
function joinAll(hub: Hub, connection: Connection, principal: Principal, topics: readonly string[]): void {
  for (const topic of topics) {
    if (topic.startsWith(USER_TOPIC)) continue;
    const room = hub.rooms.open(topic);
    if (connection.rooms.includes(room)) continue;
    if (hub.access.hasPresence(topic)) hub.presence.join(room, principal);
    hub.rooms.join(connection, room);
    if (connection.topics.includes(topic)) hub.trail.record("topic.joined", connection, "ok", "OK", { topic });
  }
}

/** A new token of the same user on a live connection. A refused one is an error, and the old token goes on. */
export function refresh(
  hub: Hub,
  connection: Connection,
  frame: { token: string; id?: FrameId | undefined },
  answer: "auth_success" | "auth_refreshed",
): void | Promise<void> {
  try {
    const principal = hub.authenticator.verify(frame.token, connection.client.key, connection);
    if (!(principal instanceof Promise)) return finishRefresh(hub, connection, principal, frame.id, answer);
    return principal
      .then((known) => finishRefresh(hub, connection, known, frame.id, answer))
      .catch((error: unknown) => auditThenThrow(hub, connection, error));
  } catch (error) {
    return auditThenThrow(hub, connection, error);
  }
}

/** Somebody tried to be another user, or brought a token that is none, on a connection that is otherwise in order. */
function auditThenThrow(hub: Hub, connection: Connection, error: unknown): never {
  if (error instanceof ProtocolError) {
    hub.metrics.authentications.add(error.code);
    hub.trail.record("auth.failed", connection, "refused", error.code);
  }
  throw error;
}

function finishRefresh(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  id: FrameId | undefined,
  answer: "auth_success" | "auth_refreshed",
): void | Promise<void> {
  if (connection.state !== "open" || connection.principal === null) return;
  if (principal.id !== connection.principal.id) throw new ProtocolError("FORBIDDEN");
  // It may have been revoked while it was checked.
  if (hub.authenticator.isRefused(principal)) throw new ProtocolError("AUTH_FAILED");
  connection.bearer = principal;
  connection.wasExpiryAnnounced = false;
  hub.metrics.authentications.add("OK");
  const lost = recheck(hub, connection, hub.overrides.apply(principal), "FORBIDDEN");
  const finish = (known: readonly string[]): void | Promise<void> =>
    answerRefresh(hub, connection, principal, known, id, answer);
  return lost instanceof Promise ? lost.then(finish) : finish(lost);
}

function answerRefresh(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  lost: readonly string[],
  id: FrameId | undefined,
  answer: "auth_success" | "auth_refreshed",
): void | Promise<void> {
  if (connection.state !== "open") return;
  const kept = [USER_TOPIC + principal.id, ...connection.rooms.map((room) => room.topic)];
  const gained = automaticTopicsOf(principal).filter((topic) => !kept.includes(topic));
  if (answer === "auth_success") return greet(hub, connection, principal, "auth_success", id);
  return hub.broker.enter(gained.map(standing), () =>
    tellRefreshed(hub, connection, principal, { ...(id !== undefined && { id }), kept, lost: [...lost], gained }),
  );
}

function tellRefreshed(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  topics: { id?: FrameId; kept: string[]; lost: string[]; gained: string[] },
): void {
  if (connection.state !== "open") return;
  joinAll(hub, connection, principal, topics.gained);
  const { expiresAtMs: expiresAt } = principal;
  connection.send({ type: "auth_refreshed", ...topics, expiresAt, timestamp: hub.clock.now() });
}
