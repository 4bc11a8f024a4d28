import { HTTPException } from "hono/http-exception";
import * as v from "valibot";
import { asProtocolError } from "../hub/errors.ts";
import { ERROR_CODES, ERRORS, type ErrorCode, ProtocolError, retryAfterMsOf } from "../protocol/codes.ts";

/** The one place where an error becomes an HTTP answer. */

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The body of every error, for the documentation. Some routes add facts of their own. */
export const ErrorBody = v.object({
  type: v.literal("error"),
  code: v.picklist(ERROR_CODES),
  message: v.string(),
  timestamp: v.pipe(v.number(), v.safeInteger(), v.description("Milliseconds since 1970")),
  retryAfterMs: v.exactOptional(v.pipe(v.number(), v.description("Milliseconds"))),
  limit: v.exactOptional(v.number()),
  actual: v.exactOptional(v.number()),
  correlationId: v.pipe(v.exactOptional(v.string()), v.description("Where to look in the log of the node")),
});

/** Takes what a client never sees, under the id that it does see. */
export type LogFailure = (error: unknown, correlationId: string) => void;

const CHALLENGE = { "WWW-Authenticate": "Bearer" }; // RFC 9110 section 11.6.1: every 401 has one

const HEADERS: Partial<Record<ErrorCode, Readonly<Record<string, string>>>> = {
  AUTH_REQUIRED: CHALLENGE,
  AUTH_FAILED: CHALLENGE,
  TOKEN_EXPIRED: CHALLENGE,
  // RFC 9110 section 15.5.22 and 7.8: Upgrade is a must, and so is naming it in Connection.
  UPGRADE_REQUIRED: { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
};

/**
 * Status, headers and JSON body of an error, for API routes and refused upgrades alike. `facts` are added to the body and are fixed
 * words, never what a client sent. A code without an HTTP status is 500: it never should have come here.
 */
export function errorResponse(
  error: ProtocolError,
  nowMs: number,
  facts: Readonly<Record<string, unknown>> = {},
): ErrorResponse {
  const { text, status } = ERRORS[error.code];
  const retryAfterMs = retryAfterMsOf(error);
  const headers: Record<string, string> = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...HEADERS[error.code],
  };
  if (retryAfterMs !== undefined) headers["Retry-After"] = String(Math.ceil(retryAfterMs / 1000));
  const details = retryAfterMs === undefined ? error.details : { ...error.details, retryAfterMs };
  const body = { type: "error", code: error.code, message: text, timestamp: nowMs, ...details, ...facts };
  return { status: status === 0 ? 500 : status, headers, body: JSON.stringify(body) };
}

/** Anything that is not ours becomes `INTERNAL` with a correlation id, and is logged under it. */
export function toProtocolError(error: unknown, logFailure: LogFailure): ProtocolError {
  // Hono's own refusals are about the shape of a request.
  if (error instanceof HTTPException && error.status < 500) return new ProtocolError("BAD_REQUEST", {}, error);
  return asProtocolError(error, logFailure);
}
