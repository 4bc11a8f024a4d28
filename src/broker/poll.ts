import type { Answered, Answers } from "./broker.ts";
import { nodeIdOf } from "./life.ts";

/** One question that is on its way: who has to answer it, and who has. */
export class Poll {
  readonly promise: Promise<Answers>;
  readonly #resolve: (answers: Answers) => void;
  readonly #answers: Answered[] = [];
  readonly #heard = new Set<string>();
  /** Null while it is not known whom it has reached. */
  #asked: ReadonlySet<string> | null = null;
  /** Those of them that are waited for. */
  readonly #awaited = new Set<string>();

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Answers>();
    this.promise = promise;
    this.#resolve = resolve;
  }

  /** Everybody who is waited for has been heard. */
  get isComplete(): boolean {
    return this.#asked !== null && this.#awaited.size === 0;
  }

  /** Those that were asked and not heard. */
  get silent(): string[] {
    return [...(this.#asked ?? [])].filter((node) => !this.#heard.has(node));
  }

  reached(asked: ReadonlySet<string>, isAwaited: (node: string) => boolean): void {
    this.#asked = asked;
    for (const node of asked) if (!this.#heard.has(node) && isAwaited(node)) this.#awaited.add(node);
  }

  /** The first answer of a node counts; null: it cannot answer. */
  heard(node: string, answered: Answered | null): void {
    if (this.#heard.has(node)) return;
    this.#heard.add(node);
    this.#awaited.delete(node);
    if (answered !== null) this.#answers.push(answered);
  }

  /** `others`: who is missing when nobody knows whom it has reached. */
  end(others: Iterable<string>): void {
    const missing = new Set(this.#asked ?? others);
    for (const node of this.#heard) missing.add(node);
    for (const { node } of this.#answers) missing.delete(node);
    this.#resolve({ answers: this.#answers, missing: namesOf(missing) });
  }
}

export function namesOf(lives: Iterable<string>): string[] {
  return [...new Set([...lives].map(nodeIdOf))].toSorted();
}
