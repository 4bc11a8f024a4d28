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

/** In how many milliseconds there is something to do, none or less for now: to ask, or to hang up when that was done. */
export function silence({ heardMs, askedMs }: Heard, { intervalMs, timeoutMs }: Heartbeat, nowMs: number): number {
  return (askedMs === null ? heardMs + intervalMs : Math.max(heardMs + timeoutMs, askedMs + GRACE_MS)) - nowMs;
}
