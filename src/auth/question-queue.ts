import type { Clock } from "../observe/clock.ts";
import { AuthorizerFailure } from "./authorizer-failure.ts";

export interface QueueBounds {
  /** From the question to the answer, the wait for a place included. */
  readonly timeoutMs: number;
  readonly maxRequests: number;
  readonly maxWaiting: number;
}

export interface Question {
  readonly body: string;
  /** Nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

interface OpenQuestion extends Question {
  readonly abort: () => void;
  readonly resolve: (isAllowed: boolean) => void;
  readonly reject: (failure: unknown) => void;
}

/** So many requests at once, so many questions that wait for one of their places in their order, and one deadline for both. */
export class QuestionQueue {
  readonly #bounds: QueueBounds;
  readonly #clock: Clock;
  readonly #request: (question: Question) => Promise<boolean>;
  readonly #requests = new Set<OpenQuestion>();
  readonly #waiting = new Set<OpenQuestion>();

  constructor(bounds: QueueBounds, clock: Clock, request: (question: Question) => Promise<boolean>) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#request = request;
  }

  get requests(): number {
    return this.#requests.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Rejects with `AuthorizerFailure` for `timeout` and `overflow`, and with whatever the request rejects with. */
  ask(body: string): Promise<boolean> {
    const { timeoutMs, maxRequests, maxWaiting } = this.#bounds;
    const hasPlace = this.#requests.size < maxRequests;
    if (!hasPlace && this.#waiting.size >= maxWaiting) return Promise.reject(new AuthorizerFailure("overflow"));
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const controller = new AbortController();
    const question = { body, signal: controller.signal, abort: () => controller.abort(), resolve, reject };
    const cancel = this.#clock.after(timeoutMs, () => this.#give(question, new AuthorizerFailure("timeout")));
    if (hasPlace) void this.#start(question);
    else this.#waiting.add(question);
    return promise.finally(cancel);
  }

  /** Gives up all of them. */
  stop(): void {
    for (const question of [...this.#waiting, ...this.#requests]) this.#give(question, new AuthorizerFailure("failed"));
  }

  #give(question: OpenQuestion, failure: AuthorizerFailure): void {
    this.#waiting.delete(question);
    question.reject(failure);
    question.abort();
  }

  async #start(question: OpenQuestion): Promise<void> {
    this.#requests.add(question);
    // Not resolved with the request itself: then the deadline could not reject it any more.
    await this.#request(question).then(question.resolve, question.reject);
    this.#requests.delete(question);
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      void this.#start(next);
      return;
    }
  }
}
