/** One piece of something, done in one turn. True when it was the last piece. */
type Step = () => boolean;

/** Work that is done one piece per turn of the event loop, in order, so that what comes in is heard in between. */
export class Turns {
  readonly #later: (run: () => void) => void;
  readonly #queue: Step[] = [];

  /** `later` runs what it is given in the next turn. */
  constructor(later: (run: () => void) => void) {
    this.#later = later;
  }

  get isIdle(): boolean {
    return this.#queue.length === 0;
  }

  push(step: Step): void {
    this.#queue.push(step);
    if (this.#queue.length === 1) this.#later(this.#next);
  }

  #next = (): void => {
    const isDone = this.#queue[0]?.() ?? true;
    if (isDone) this.#queue.shift();
    if (this.#queue.length > 0) this.#later(this.#next);
  };
}
