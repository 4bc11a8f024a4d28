import type { GrantedAction } from "../protocol/principal.ts";

/** How long an answer of the authorizer is believed. */
const VERDICT_TTL_MS = 60_000;
/** How long it is not asked again after it has given none: a hook that is away is not asked at the rate of the clients. */
const FAILURE_TTL_MS = 1_000;
/** Answers that are kept per connection; the oldest go first. */
const MAX_VERDICTS = 256;

interface Verdict {
  readonly isAllowed: boolean;
  /** Monotonic. */
  readonly untilMs: number;
}

/** What the authorizer has answered about one connection, since its permissions last changed. */
export class Verdicts {
  /** They have changed while it was open: answers to older questions may be on their way. */
  readonly isAfterChange: boolean;
  readonly #byQuestion = new Map<string, Verdict>();

  constructor(isAfterChange = false) {
    this.isAfterChange = isAfterChange;
  }

  /** Null: it has to be asked. */
  get(action: GrantedAction, topic: string, nowMs: number): boolean | null {
    const verdict = this.#byQuestion.get(`${action} ${topic}`);
    return verdict === undefined || verdict.untilMs <= nowMs ? null : verdict.isAllowed;
  }

  set(action: GrantedAction, topic: string, isAllowed: boolean, hasFailed: boolean, nowMs: number): void {
    const question = `${action} ${topic}`;
    this.#byQuestion.delete(question);
    for (const oldest of this.#byQuestion.keys()) {
      if (this.#byQuestion.size < MAX_VERDICTS) break;
      this.#byQuestion.delete(oldest);
    }
    this.#byQuestion.set(question, { isAllowed, untilMs: nowMs + (hasFailed ? FAILURE_TTL_MS : VERDICT_TTL_MS) });
  }
}
