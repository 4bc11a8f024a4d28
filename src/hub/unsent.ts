import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";

/** What waits for clients that read too slowly: so much for each of them, and so much for all of them. */

/** How often `sweepUnsent` is due. */
export const UNSENT_SWEEP_MS = 250;
/** How long a connection may have more unsent than allowed, so that one large burst is no offence. */
const UNSENT_GRACE_MS = 1_000;

/**
 * Looks at what every connection has unsent, several times a second: one that stays over the bound is ended here with a code that says
 * why. The engine's own kill, at twice the bound, looks like a client that left; `wasKilled` tells them apart.
 */
export function sweepUnsent(hub: Hub): void {
  const nowMs = hub.clock.monotonic();
  const { maxUnsentBytes, maxTotalUnsentBytes } = hub.options;
  let totalBytes = 0;
  hub.rooms.looks += 1;
  for (const connection of hub.connections) {
    const { bufferedBytes } = connection.socket;
    connection.isFallingBehind = bufferedBytes > maxUnsentBytes / 4;
    if (bufferedBytes <= maxUnsentBytes) connection.overUnsentSinceMs = null;
    else connection.overUnsentSinceMs ??= nowMs;
    const { overUnsentSinceMs } = connection;
    if (overUnsentSinceMs !== null && nowMs - overUnsentSinceMs >= UNSENT_GRACE_MS) hub.endSlowConsumer(connection);
    else totalBytes += bufferedBytes;
  }
  if (totalBytes > maxTotalUnsentBytes) endSlowest(hub, totalBytes - maxTotalUnsentBytes);
}

/** Without grace: the memory of the node is everybody's. Those go first who have the most unsent. */
function endSlowest(hub: Hub, excessBytes: number): void {
  const waiting = [...hub.connections].map((connection) => ({ connection, bytes: connection.socket.bufferedBytes }));
  waiting.sort((one, other) => other.bytes - one.bytes);
  let leftBytes = excessBytes;
  for (const { connection, bytes } of waiting) {
    if (leftBytes <= 0) return;
    hub.endSlowConsumer(connection);
    leftBytes -= bytes;
  }
}

/** Whether the engine, rather than the peer, ended a connection without a close code: it had much unsent, or was sent that much since. */
export function wasKilled(hub: Hub, connection: Connection): boolean {
  return connection.isFallingBehind || hub.rooms.sentLately(connection) >= hub.options.maxUnsentBytes;
}
