import type { Connection } from "./connection.ts";
import { freeIfEmpty } from "./grants.ts";
import { checkExpiry, checkPulse } from "./heartbeat.ts";
import type { Hub } from "./hub.ts";
import { loseForbidden } from "./recheck.ts";

/** Looks once at every connection: dead peers, ended tokens, deadlines. `pingSlot` are the ones to ping now. */
export function sweepConnections(hub: Hub, pingSlot: number): void {
  const nowMs = hub.clock.monotonic();
  const wallMs = hub.clock.now();
  for (const connection of hub.connections) {
    if (connection.state === "pending") checkDeadline(hub, connection, nowMs);
    else checkOpen(hub, connection, nowMs, wallMs, connection.pingSlot === pingSlot);
  }
}

function checkDeadline(hub: Hub, connection: Connection, nowMs: number): void {
  // Who is known waits for the authorizer, which has a time limit of its own.
  if (connection.principal !== null) return;
  if (nowMs - connection.pendingSinceMs >= hub.options.authDeadlineMs)
    hub.endUnauthenticated(connection, "AUTH_REQUIRED");
}

function checkOpen(hub: Hub, connection: Connection, nowMs: number, wallMs: number, isPingTurn: boolean): void {
  const pulse = checkPulse(connection.lastSeenMs, nowMs, isPingTurn, hub.options);
  if (pulse === "lost") {
    hub.metrics.counters.heartbeatsLost += 1;
    connection.close(4090);
    return;
  }
  if (pulse === "ping") ping(connection, wallMs);
  if (connection.user !== null) hub.users.rest(connection.user, nowMs);
  checkToken(hub, connection, wallMs);
  if (connection.grants !== null && connection.state === "open") expireGrants(hub, connection, wallMs);
}

function ping(connection: Connection, wallMs: number): void {
  if (connection.sendsPingFrames) connection.send({ type: "ping", timestamp: wallMs });
  else connection.socket.ping();
}

function checkToken(hub: Hub, connection: Connection, wallMs: number): void {
  const expiresAtMs = connection.principal?.expiresAtMs ?? null;
  const toleranceMs = hub.options.clockToleranceS * 1_000;
  const expiry = checkExpiry(expiresAtMs, connection.wasExpiryAnnounced, wallMs, toleranceMs);
  if (expiry === "expired") connection.close(4001, "TOKEN_EXPIRED");
  if (expiry === "announce" && expiresAtMs !== null) {
    connection.wasExpiryAnnounced = true;
    connection.send({ type: "auth_expiring", expiresAt: expiresAtMs, timestamp: wallMs });
  }
}

/** Where the token of a `subscribe` has ended, the topic is left unless something else allows it. */
function expireGrants(hub: Hub, connection: Connection, wallMs: number): void {
  const topics = connection.grants?.expire(wallMs) ?? [];
  freeIfEmpty(connection);
  const lost = loseForbidden(hub, connection, topics, "TOKEN_EXPIRED");
  if (lost instanceof Promise) lost.catch((error: unknown) => hub.report(error, connection.id));
}

/**
 * Moves what silence and deadlines are counted from by a time in which nobody could be heard, and never beyond now: who came behind the pause was not
 * silent in it.
 */
export function forgiveSilence(hub: Hub, unheardMs: number): void {
  const nowMs = hub.clock.monotonic();
  for (const connection of hub.connections) {
    connection.lastSeenMs = Math.min(nowMs, connection.lastSeenMs + unheardMs);
    if (connection.state === "pending") {
      connection.pendingSinceMs = Math.min(nowMs, connection.pendingSinceMs + unheardMs);
    }
  }
}
