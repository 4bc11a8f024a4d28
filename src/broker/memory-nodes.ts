import type { AnswerHandler, Answers, Nodes } from "./broker.ts";
import { HandlerTable } from "./handler-table.ts";
import { newLife } from "./life.ts";

const NOBODY: Answers = { answers: [], missing: [] };

/** A node without others. */
export class MemoryNodes implements Nodes {
  readonly isAlone = true;
  readonly self: string;
  readonly alive: ReadonlySet<string>;
  readonly #handlers = new HandlerTable();

  constructor(nodeId: string) {
    this.self = newLife(nodeId);
    this.alive = new Set([this.self]);
  }

  onGone(): void {
    // Nobody goes.
  }

  onCome(): void {
    // Nobody comes, and nobody else keeps anything for this one.
  }

  ask(): Answers {
    return NOBODY;
  }

  answer(question: string, handle: AnswerHandler): void {
    this.#handlers.add(question, handle);
  }
}
