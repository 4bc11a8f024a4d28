import type { Connection } from "./connection.ts";
import { checkExpiry, checkPulse } from "./heartbeat.ts";
import type { Hub } from "./hub.ts";

/** How long a connection may have more unsent than allowed: two sweeps, so that one large burst is no offence. */
const UNSENT_GRACE_MS = 1_000;

/** Looks once at every connection: dead peers, slow consumers, ended tokens, deadlines. `pingSlot` are the ones to ping now. */
export function sweepConnections(hub: Hub, pingSlot: number): void {
  const nowMs = hub.clock.monotonic();
  const wallMs = hub.clock.now();
  for (const connection of hub.connections) {
    if (connection.state === "pending") checkDeadline(hub, connection, nowMs);
    else checkOpen(hub, connection, nowMs, wallMs, connection.pingSlot === pingSlot);
  }
}

function checkDeadline(hub: Hub, connection: Connection, nowMs: number): void {
  if (nowMs - connection.openedAtMs >= hub.options.authDeadlineMs) hub.endUnauthenticated(connection, "AUTH_REQUIRED");
}

function checkOpen(hub: Hub, connection: Connection, nowMs: number, wallMs: number, isPingTurn: boolean): void {
  checkUnsent(hub, connection, nowMs);
  if (connection.state === "gone") return;
  const pulse = checkPulse(connection.lastSeenMs, nowMs, isPingTurn, hub.options);
  if (pulse === "lost") {
    hub.metrics.counters.heartbeatsLost += 1;
    connection.close(4090);
    return;
  }
  if (pulse === "ping") ping(connection, wallMs);
  if (connection.user !== null) hub.users.rest(connection.user, nowMs);
  checkToken(hub, connection, wallMs);
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

/** Ended here, since the engine's own kill could not be told from a client that left. */
function checkUnsent(hub: Hub, connection: Connection, nowMs: number): void {
  if (connection.socket.bufferedBytes <= hub.options.maxUnsentBytes) {
    connection.overUnsentSinceMs = null;
    return;
  }
  connection.overUnsentSinceMs ??= nowMs;
  if (nowMs - connection.overUnsentSinceMs < UNSENT_GRACE_MS) return;
  hub.countSlowConsumer(connection);
  connection.close(4013);
}
