/** Decisions of the heartbeat: pure, times in milliseconds. The hub carries them out, once a second for every connection. */

export interface HeartbeatOptions {
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
}

/** How often the hub looks at its connections: once a second, or several times per interval where that is shorter. */
export function tickMs(options: HeartbeatOptions): number {
  return Math.min(1_000, Math.ceil(options.pingIntervalMs / 4));
}

/** Ticks per ping interval: connections are spread over them, so that pings never go out all at once. */
export function slotsOf(options: HeartbeatOptions): number {
  return Math.max(1, Math.round(options.pingIntervalMs / tickMs(options)));
}

/** What to do about a peer from which the last sign of life came at `lastSeenMs`. */
export function checkPulse(
  lastSeenMs: number,
  nowMs: number,
  isPingTurn: boolean,
  options: HeartbeatOptions,
): "fine" | "ping" | "lost" {
  if (nowMs - lastSeenMs >= options.pongTimeoutMs) return "lost";
  return isPingTurn ? "ping" : "fine";
}

/** How long before its end a token is announced to be ending. */
export const EXPIRY_NOTICE_MS = 30_000;

export function checkExpiry(
  expiresAtMs: number | null,
  wasAnnounced: boolean,
  nowMs: number,
  toleranceMs: number,
): "fine" | "announce" | "expired" {
  if (expiresAtMs === null) return "fine";
  if (nowMs >= expiresAtMs + toleranceMs) return "expired";
  return !wasAnnounced && nowMs >= expiresAtMs - EXPIRY_NOTICE_MS ? "announce" : "fine";
}
