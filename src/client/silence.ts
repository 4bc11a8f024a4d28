/**
 * When a connection is dead. Browsers hide native pings, so the client asks by a frame when nothing came for a while. Pure.
 */

export interface Heard {
  readonly heardMs: number;
  /** When a `ping` was sent behind which nothing came; null when none was. */
  readonly askedMs: number | null;
}

/** What the node announces. */
export interface Heartbeat {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** After a ping this long is given in any case: a machine that slept has had no time to hear anything. */
export const GRACE_MS = 5_000;

/** What is to be done now, or in how many milliseconds to look again. */
export function silence(
  { heardMs, askedMs }: Heard,
  { intervalMs, timeoutMs }: Heartbeat,
  nowMs: number,
): "ping" | "dead" | number {
  const leftMs = (askedMs === null ? heardMs + intervalMs : Math.max(heardMs + timeoutMs, askedMs + GRACE_MS)) - nowMs;
  if (leftMs > 0) return leftMs;
  return askedMs === null ? "ping" : "dead";
}
