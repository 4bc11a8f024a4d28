/** When a client comes back: pure, times in milliseconds. `random` is 0 ≤ n < 1. */

const BASE_MS = 100;
const MAX_MS = 2_000;

/** Full jitter: anything from nothing to twice as much as before, up to the most. `attempt` from 0. */
export function backoffMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(MAX_MS, BASE_MS * 2 ** Math.min(attempt, 16)));
}

/** What a client does behind the end of a connection, and how long it waits at least. */
export interface Next {
  readonly then: "stop" | "new-token" | "come-back";
  readonly waitMs: number;
}

const STOPS: ReadonlySet<number> = new Set([1002, 1007, 1009, 4003]);
const NEW_TOKEN = 4001;
/** Too many connections of the user: nothing says for how long. */
const CONNECTION_LIMIT = 4008;
const CONNECTION_LIMIT_MS = 1_000;

/** `reason` may say `{"retryAfterMs": …}`; `announcedMs` is what a `server_draining` said before. */
export function afterClose(code: number, reason: string, announcedMs: number): Next {
  if (STOPS.has(code)) return { then: "stop", waitMs: 0 };
  if (code === NEW_TOKEN) return { then: "new-token", waitMs: 0 };
  if (code === CONNECTION_LIMIT) return { then: "come-back", waitMs: CONNECTION_LIMIT_MS };
  return { then: "come-back", waitMs: retryAfterMsOf(reason) ?? announcedMs };
}

/** Behind a handshake that was refused; 0 is no answer at all. */
export function afterRefusal(status: number, retryAfterMs: number): Next {
  if (status === 401) return { then: "new-token", waitMs: retryAfterMs };
  const isFinal = status >= 400 && status < 500 && status !== 429;
  return { then: isFinal ? "stop" : "come-back", waitMs: retryAfterMs };
}

function retryAfterMsOf(reason: string): number | null {
  const found = /^\{"retryAfterMs":(\d+)\}$/.exec(reason)?.[1];
  return found === undefined ? null : Number(found);
}
