import { CLOSES, type AfterClose } from "../protocol/codes.ts";
import { type Backoff, backoffMs } from "./backoff.ts";

/** Why there is no connection. */
export interface Why {
  /** The close code; 1006 where there was none, 0 where it did not come to a connection. */
  readonly code: number;
  /** That of the code, or the error code that the node gave with it; `TOKEN_FAILED` or `CONNECT_FAILED` with 0. */
  readonly name: string;
  readonly reason: string;
}

export interface Verdict {
  readonly why: Why;
  readonly then: AfterClose;
  /** What the node asked for. */
  readonly retryAfterMs: number;
}

interface Row {
  readonly name: string;
  readonly then: AfterClose;
}

const ROWS: Readonly<Record<number, Row>> = CLOSES;
/** No close came, or one that says nothing. */
const BROKEN: Row = { name: "LOST", then: "may-reconnect" };
/** What it means is the application's to say, and so is whether to come back. */
const CHOSEN: Row = { name: "OTHER", then: "stop" };
/** Longer than any delay that a node asks for by itself, shorter than what a timer can hold. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** What the frames `auth_error` and `server_draining` said before the close. */
export interface Refusal {
  readonly code?: string;
  readonly retryAfterMs?: number | undefined;
}

/** Of a connection that was open. A code of 4000–4999 that is in no table is the application's own: it says stop. */
export function verdictOf(code = 0, reason = "", refusal?: Refusal): Verdict {
  let retryAfterMs = milliseconds(refusal?.retryAfterMs);
  try {
    retryAfterMs = milliseconds(JSON.parse(reason).retryAfterMs) || retryAfterMs;
  } catch {
    // It is a text, or none.
  }
  const { name, then } = ROWS[code] ?? (code < 4_000 ? BROKEN : CHOSEN);
  return {
    why: { code, name: refusal?.code ?? (code ? name : "CONNECT_FAILED"), reason },
    then,
    retryAfterMs,
  };
}

/** Of something that came from outside. */
export function milliseconds(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.min(value, MAX_RETRY_AFTER_MS) : 0;
}

/** How long to wait before the next attempt: what the node asked for, and never less than the backoff. */
export function waitMs({ then, retryAfterMs }: Verdict, backoff: Backoff, attempt: number, random: number): number {
  // Another connection has to end first: nobody knows when, and trying fast does not help.
  return Math.max(retryAfterMs, backoffMs(backoff, then === "wait" ? Infinity : attempt, random));
}
