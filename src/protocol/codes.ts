/**
 * Every error code and close code of the protocol: one row each, for server, client, docs and tests.
 * Source: docs/protocol.md, "Errors and close codes".
 */

/** What a client should do about an error: the same request again is pointless, works later, or works with a new token. */
export type Retry = "no" | "later" | "new-token" | "same-id";

interface ErrorRow {
  readonly text: string;
  /** Status when the error answers an HTTP request; 0 where it never does. */
  readonly status: number;
  /** Close code when the error ends a connection; 0 where it never does. */
  readonly close: number;
  readonly retry: Retry;
}

export const ERRORS = {
  BAD_REQUEST: { text: "Bad request", status: 400, close: 0, retry: "no" },
  BAD_MESSAGE: { text: "Invalid message format", status: 400, close: 0, retry: "no" },
  UNKNOWN_TYPE: { text: "Unknown message type", status: 0, close: 0, retry: "no" },
  AUTH_REQUIRED: { text: "Not authenticated", status: 401, close: 4001, retry: "new-token" },
  AUTH_FAILED: { text: "Invalid authentication token", status: 401, close: 4001, retry: "new-token" },
  TOKEN_EXPIRED: { text: "Token expired", status: 401, close: 4001, retry: "new-token" },
  FORBIDDEN: { text: "Insufficient permissions for topic", status: 403, close: 4003, retry: "no" },
  ORIGIN_FORBIDDEN: { text: "Origin not allowed", status: 403, close: 0, retry: "no" },
  NOT_FOUND: { text: "Not found", status: 404, close: 0, retry: "no" },
  METHOD_NOT_ALLOWED: { text: "Method not allowed", status: 405, close: 0, retry: "no" },
  CONFLICT: { text: "Already exists", status: 409, close: 0, retry: "no" },
  UNSUPPORTED_MEDIA_TYPE: { text: "Unsupported media type", status: 415, close: 0, retry: "no" },
  UPGRADE_REQUIRED: { text: "Upgrade required", status: 426, close: 0, retry: "no" },
  NOT_A_MEMBER: { text: "Not a member", status: 403, close: 0, retry: "no" },
  TOPIC_LIMIT: { text: "Too many topics", status: 0, close: 0, retry: "no" },
  MESSAGE_TOO_LARGE: { text: "Message too large", status: 413, close: 1009, retry: "no" },
  MESSAGE_ID_REUSED: { text: "Message id was used for another message", status: 409, close: 0, retry: "no" },
  CONNECTION_LIMIT: { text: "Too many connections", status: 429, close: 4008, retry: "later" },
  RATE_LIMITED: { text: "Rate limit exceeded", status: 429, close: 4029, retry: "later" },
  PUBLISH_FAILED: { text: "Failed to send message", status: 503, close: 0, retry: "same-id" },
  UNAVAILABLE: { text: "Temporarily unavailable", status: 503, close: 1011, retry: "later" },
  DRAINING: { text: "Restarting", status: 503, close: 1012, retry: "later" },
  OVERLOADED: { text: "Overloaded", status: 503, close: 1011, retry: "later" },
  INTERNAL: { text: "Internal error", status: 500, close: 1011, retry: "later" },
} as const satisfies Record<string, ErrorRow>;

/** When another try is worth it and nobody knows when. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

export type ErrorCode = keyof typeof ERRORS;

/** Pure, so that a bundle that does not ask for the codes leaves the table out. */
export const ERROR_CODES: readonly ErrorCode[] = /* @__PURE__ */ (() => Object.keys(ERRORS).filter(isErrorCode))();

function isErrorCode(code: string): code is ErrorCode {
  return code in ERRORS;
}

/** What a client should do after a close. */
export type AfterClose = "may-reconnect" | "reconnect-later" | "new-token" | "recover" | "wait" | "stop";

export const CLOSES = {
  1000: { name: "NORMAL", then: "may-reconnect" },
  1001: { name: "GOING_AWAY", then: "may-reconnect" },
  1002: { name: "PROTOCOL_ERROR", then: "stop" },
  1007: { name: "INVALID_DATA", then: "stop" },
  1009: { name: "MESSAGE_TOO_LARGE", then: "stop" },
  1011: { name: "INTERNAL", then: "reconnect-later" },
  1012: { name: "DRAINING", then: "reconnect-later" },
  4001: { name: "AUTH_REQUIRED", then: "new-token" },
  4003: { name: "FORBIDDEN", then: "stop" },
  4008: { name: "CONNECTION_LIMIT", then: "wait" },
  4013: { name: "SLOW_CONSUMER", then: "recover" },
  4029: { name: "RATE_LIMITED", then: "reconnect-later" },
  4090: { name: "HEARTBEAT_LOST", then: "recover" },
} as const satisfies Record<number, { name: string; then: AfterClose }>;

export type CloseCode = keyof typeof CLOSES;

declare const chosen: unique symbol;

/** A close code that the application chose for itself (RFC 6455 section 7.4.2: 4000 to 4999 are private). */
export type ChosenCloseCode = number & { readonly [chosen]: true };

export function isChosenCloseCode(code: number): code is ChosenCloseCode {
  return Number.isInteger(code) && code >= 4_000 && code <= 4_999;
}

/** The name of a code of the table; null for one that the application has made up. */
export function closeName(code: number): string | null {
  return isCloseCode(code) ? CLOSES[code].name : null;
}

function isCloseCode(code: number): code is CloseCode {
  return Object.hasOwn(CLOSES, code);
}

/** Facts about an error that are safe to send: never a value that the client sent, never an internal text. */
export interface ErrorDetails {
  readonly retryAfterMs?: number;
  readonly limit?: number;
  readonly actual?: number;
  /** Items of a stream that were published before it failed. */
  readonly published?: number;
  /** Where to look in the log; only with INTERNAL. */
  readonly correlationId?: string;
}

/**
 * The one error type. `code` is the contract; the message is the constant text of the table, so that no token,
 * identifier or stack can reach a client or a log through it. `cause` stays on this side.
 */
export class ProtocolError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown) {
    super(ERRORS[code].text, cause === undefined ? undefined : { cause });
    this.name = "ProtocolError";
    this.code = code;
    this.details = details;
  }
}

/** After how many milliseconds the same request is worth another try; undefined where it never is. */
export function retryAfterMsOf({ code, details }: ProtocolError): number | undefined {
  const { retry } = ERRORS[code];
  const isWorthIt = retry === "later" || retry === "same-id";
  return details.retryAfterMs ?? (isWorthIt ? DEFAULT_RETRY_AFTER_MS : undefined);
}
