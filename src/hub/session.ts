import type { Position } from "../broker/broker.ts";
import type { CloseCode, ErrorCode } from "../protocol/codes.ts";
import { ERRORS, ProtocolError } from "../protocol/codes.ts";
import type { FrameId, Welcome } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import { asProtocolError } from "./errors.ts";
import type { Hub } from "./hub.ts";

/**
 * Who a connection is: authentication by the first frame, the greeting, and a new token on a live connection.
 * Source: docs/protocol.md, "Endpoints" and "Where the token is".
 */

/** The topics that a user receives without asking. */
export function automaticTopicsOf(principal: Principal): string[] {
  return [`user:${principal.id}`, ...principal.follows.map((id) => `followers:${id}`)];
}

/** The `auth` frame of a connection that has not authenticated yet. */
export function authenticate(
  hub: Hub,
  connection: Connection,
  decoded: Readonly<Record<string, unknown>>,
): void | Promise<void> {
  const { token, id } = decoded;
  if (typeof token !== "string") return refuse(hub, connection, new ProtocolError("BAD_MESSAGE"));
  const replyId = typeof id === "string" || typeof id === "number" ? id : undefined;
  try {
    const principal = hub.authenticator.verify(token, connection.client.key);
    if (!(principal instanceof Promise)) return admit(hub, connection, principal, replyId);
    return principal
      .then((known) => admit(hub, connection, known, replyId))
      .catch((error: unknown) => refuseFor(hub, connection, error));
  } catch (error) {
    return refuseFor(hub, connection, error);
  }
}

function admit(hub: Hub, connection: Connection, principal: Principal, id: FrameId | undefined): void | Promise<void> {
  // The peer may have gone, or the deadline passed, while the token was checked.
  if (connection.state !== "pending") return;
  connection.user = hub.users.admit(principal.id, hub.clock.monotonic());
  connection.principal = principal;
  hub.authenticated(connection);
  return greet(hub, connection, principal, connection.endpoint.greeting, id);
}

function refuseFor(hub: Hub, connection: Connection, error: unknown): void {
  refuse(hub, connection, asProtocolError(error, hub.report));
}

/** Tells why, and ends the connection with the code that belongs to it. */
export function refuse(hub: Hub, connection: Connection, { code, details }: ProtocolError): void {
  if (connection.state === "gone") return;
  const { retryAfterMs } = details;
  hub.metrics.authentications.add(code);
  hub.audit("auth.failed", connection, "refused", code);
  connection.send({
    type: "auth_error",
    code,
    message: "Authentication failed",
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    timestamp: hub.clock.now(),
  });
  connection.close(closeCodeOf(code), code === "RATE_LIMITED" ? JSON.stringify({ retryAfterMs }) : code);
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
  const positions: Position[] = [];
  for (const topic of topics) {
    const position = hub.broker.position(topic);
    if (position instanceof Promise) {
      return Promise.all(topics.map((name) => hub.broker.position(name))).then((known) =>
        finishGreeting(hub, connection, principal, type, topics, known, id),
      );
    }
    positions.push(position);
  }
  return finishGreeting(hub, connection, principal, type, topics, positions, id);
}

function finishGreeting(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  type: "connected" | "auth_success",
  topics: readonly string[],
  positions: readonly Position[],
  id: FrameId | undefined,
): void {
  if (connection.state !== "open") return;
  const welcome: Welcome = {
    protocol: 1,
    connectionId: connection.id,
    user: {
      id: principal.wireId,
      username: principal.username,
      name: principal.name,
      roles: principal.roles,
      permissions: hub.access.permissionsOf(principal),
    },
    endpoint: connection.endpoint.path,
    topics: positions.map(({ offset, epoch }, index) => ({ topic: topics[index] ?? "", offset, epoch })),
    expiresAt: principal.expiresAtMs,
    ...hub.terms,
  };
  const stamp = { ...(id !== undefined && { id }), timestamp: hub.clock.now() };
  if (type === "connected") connection.send({ type, ...welcome, ...stamp });
  else connection.send({ type, message: "Authentication successful", ...welcome, ...stamp });
  joinAll(hub, connection, topics);
}

function joinAll(hub: Hub, connection: Connection, topics: readonly string[]): void {
  for (const topic of topics) {
    const room = hub.rooms.open(topic);
    if (!connection.rooms.includes(room)) hub.rooms.join(connection, room);
  }
}

/** A new token of the same user on a live connection. A refused one is an error, and the old token goes on. */
export function refresh(
  hub: Hub,
  connection: Connection,
  frame: { token: string; id?: FrameId | undefined },
  answer: "auth_success" | "auth_refreshed",
): void | Promise<void> {
  const principal = hub.authenticator.verify(frame.token, connection.client.key);
  if (principal instanceof Promise) {
    return principal.then((known) => finishRefresh(hub, connection, known, frame.id, answer));
  }
  return finishRefresh(hub, connection, principal, frame.id, answer);
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
  const automaticBefore = automaticTopicsOf(connection.principal);
  const automatic = automaticTopicsOf(principal);
  connection.principal = principal;
  connection.wasExpiryAnnounced = false;

  const lost = connection.rooms
    .map((room) => room.topic)
    .filter((topic) =>
      automaticBefore.includes(topic) ? !automatic.includes(topic) : hub.access.may(principal, "read", topic) === "no",
    );
  for (const topic of lost) hub.removeFromTopic(connection, topic, "FORBIDDEN");
  const kept = connection.rooms.map((room) => room.topic);
  const gained = automatic.filter((topic) => !kept.includes(topic));
  if (answer === "auth_success") return greet(hub, connection, principal, "auth_success", id);
  joinAll(hub, connection, gained);
  connection.send({
    type: "auth_refreshed",
    ...(id !== undefined && { id }),
    expiresAt: principal.expiresAtMs,
    kept,
    lost,
    gained,
    timestamp: hub.clock.now(),
  });
}
