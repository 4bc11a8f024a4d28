/** Why there is no answer: the hook gave none that can be used, none in time, or could not be asked for too many questions. */
export type FailureReason = "failed" | "timeout" | "overflow";

/** The authorizer was asked and has not decided. Nothing of what it said, and not where it is, is in here. */
export class AuthorizerFailure extends Error {
  readonly reason: FailureReason;
  /** For the log: `status 500`, `ECONNREFUSED`, `malformed`. */
  readonly detail: string | null;

  constructor(reason: FailureReason, detail: string | null = null) {
    super("the authorizer gave no answer");
    this.name = "AuthorizerFailure";
    this.reason = reason;
    this.detail = detail;
  }
}
