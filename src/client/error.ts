import type { ErrorCode } from "../protocol/codes.ts";

/** What went wrong on this side; the node adds the codes of its error frames (docs/protocol.md, "Errors and close codes"). */
export type ClientErrorCode =
  /** The client or the connection has ended for good; the message was never sent. */
  | "CLOSED"
  /** The topic was left; the message was never sent. */
  | "LEFT"
  /** The message was sent and never confirmed: it may have been delivered, or not. */
  | "UNKNOWN_OUTCOME"
  /** Too much waits for its confirmation. */
  | "QUEUE_FULL"
  /** Whoever iterates does not keep up with what comes. */
  | "OVERFLOW"
  /** The function of the application that gives tokens or tickets failed, or gave what cannot be sent. */
  | "TOKEN_FAILED"
  /** Something came that is in no framing. */
  | "BAD_FRAME";

export interface ErrorFacts {
  readonly cause?: unknown;
  readonly retryAfterMs?: number | undefined;
}

/** The one error of the client. `code` is one of its own, or that of an error frame. */
export class TautlineError extends Error {
  declare readonly code: ErrorCode | ClientErrorCode | (string & {});
  /** When another try is worth it; undefined where it never is, or nobody knows. */
  declare readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode | ClientErrorCode | (string & {}), options: ErrorFacts = {}) {
    super(code, options);
    this.name = "TautlineError";
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}
