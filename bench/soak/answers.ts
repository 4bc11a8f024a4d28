/** The answers of a child process, which come in the order of the questions. */
export class Answers {
  #waiting: PromiseWithResolvers<unknown>[] = [];

  next(timeoutMs: number): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.push(waiting);
    const timer = setTimeout(() => waiting.reject(new Error("a process did not answer in time")), timeoutMs);
    return waiting.promise.finally(() => clearTimeout(timer));
  }

  give(message: unknown): void {
    this.#waiting.shift()?.resolve(message);
  }

  end(): void {
    for (const waiting of this.#waiting) waiting.reject(new Error("a process ended"));
    this.#waiting = [];
  }
}
