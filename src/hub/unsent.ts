import type { Hub } from "./hub.ts";

/** What waits for clients that read too slowly: so much for each of them, and so much for all of them. */

/** How often `sweepUnsent` is due. */
export const UNSENT_SWEEP_MS = 250;
/** How long a connection may have more unsent than allowed, so that one large burst is no offence. */
const UNSENT_GRACE_MS = 1_000;
/** Over so many times the allowed there is no grace. */
const MAX_BURST = 2;
/**
 * So many times the allowed are the engine's own net, which must never catch a message: what it drops leaves a hole, behind which a client
 * that reads again gets the next ones before it is ended. Between two looks a connection is sent the allowed at most, in UTF-16 units
 * of up to three bytes.
 */
export const ENGINE_NET = 8;

/**
 * Looks at what every connection has unsent, several times a second: one that stays over the bound, or is far over it, is ended with a code
 * that says why.
 */
export function sweepUnsent(hub: Hub): void {
  const nowMs = hub.clock.monotonic();
  const { maxUnsentBytes, maxTotalUnsentBytes } = hub.options;
  let totalBytes = 0;
  hub.rooms.sentSinceLook = 0;
  for (const connection of hub.connections) {
    const { bufferedBytes } = connection.socket;
    connection.isFallingBehind = bufferedBytes > maxUnsentBytes / 4;
    if (bufferedBytes <= maxUnsentBytes) connection.overUnsentSinceMs = null;
    else connection.overUnsentSinceMs ??= nowMs;
    const overForMs = connection.overUnsentSinceMs === null ? 0 : nowMs - connection.overUnsentSinceMs;
    if (overForMs >= UNSENT_GRACE_MS || bufferedBytes > MAX_BURST * maxUnsentBytes) hub.endSlowConsumer(connection);
    else totalBytes += bufferedBytes;
  }
  if (totalBytes > maxTotalUnsentBytes) endSlowest(hub, totalBytes - maxTotalUnsentBytes);
}

/** The same between two sweeps, once so much was sent that somebody may be over the bound. */
export function lookAtUnsent(hub: Hub): void {
  if (hub.rooms.sentSinceLook >= hub.options.maxUnsentBytes) sweepUnsent(hub);
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
