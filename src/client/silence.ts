/**
 * When a connection is dead. Browsers hide native pings, so the client asks by a frame when nothing came for a while. Pure.
 */

export interface Heard {
  readonly heardMs: number;
  /** When a `ping` was sent behind which nothing came; null when none was. */
  readonly askedMs: number | null;
}

export interface Terms {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** After a ping this long is given in any case: a machine that slept has had no time to hear anything. */
export const GRACE_MS = 5_000;

/** What is to be done now, and when to look again. */
export function silence({ heardMs, askedMs }: Heard, { intervalMs, timeoutMs }: Terms, nowMs: number): Silence {
  if (askedMs === null) {
    const leftMs = heardMs + intervalMs - nowMs;
    return leftMs > 0 ? { act: "none", inMs: leftMs } : { act: "ping", inMs: GRACE_MS };
  }
  const deadMs = Math.max(heardMs + timeoutMs, askedMs + GRACE_MS);
  return nowMs >= deadMs ? { act: "dead", inMs: 0 } : { act: "none", inMs: deadMs - nowMs };
}

export interface Silence {
  readonly act: "none" | "ping" | "dead";
  readonly inMs: number;
}
