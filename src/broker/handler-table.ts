import type { AnswerHandler } from "./broker.ts";

/** Who answers which question on a node. */
export class HandlerTable {
  readonly #handlers = new Map<string, AnswerHandler>();

  /** Throws when somebody answers it already. */
  add(question: string, handle: AnswerHandler): void {
    if (this.#handlers.has(question)) throw new Error(`${question} is answered already`);
    this.#handlers.set(question, handle);
  }

  get(question: string): AnswerHandler | undefined {
    return this.#handlers.get(question);
  }
}
