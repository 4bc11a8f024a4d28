import { TautlineError } from "./error.ts";

/** What came and was not asked for yet. Beyond it the iteration fails, for else something would be missing from it. */
const MAX_BUFFERED = 1_000;

export interface Sink<T> {
  push(value: T): void;
  end(error?: unknown): void;
}

/** An async iterator of events from now on. It ends with what it is about, by `return`, and by the signal. */
export function stream<T>(subscribe: (sink: Sink<T>) => () => void, signal?: AbortSignal): AsyncIterableIterator<T> {
  let buffer: T[] = [];
  let waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = [];
  let failure: unknown;
  let isOver = false;

  const settle = (error?: unknown): void => {
    if (isOver) return;
    isOver = true;
    failure = error;
    unsubscribe();
    signal?.removeEventListener("abort", abort);
    for (const { resolve } of waiting) resolve({ value: undefined, done: true });
    waiting = [];
  };
  const abort = (): void => {
    buffer = [];
    settle();
  };
  const unsubscribe = subscribe({
    push(value) {
      const next = waiting.shift();
      if (next !== undefined) next.resolve({ value, done: false });
      else if (buffer.push(value) > MAX_BUFFERED) {
        buffer = [];
        settle(new TautlineError("OVERFLOW"));
      }
    },
    end: settle,
  });
  if (signal?.aborted === true) abort();
  else signal?.addEventListener("abort", abort);

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      const value = buffer.shift();
      if (value !== undefined) return Promise.resolve({ value, done: false });
      if (failure !== undefined) {
        const error = failure;
        failure = undefined;
        return Promise.reject(error);
      }
      if (isOver) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return() {
      abort();
      return Promise.resolve({ value: undefined, done: true });
    },
  };
}
