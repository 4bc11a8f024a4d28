import { TautlineError } from "./error.ts";

/** What came and was not asked for yet. Beyond it the iteration fails, for else something would be missing from it. */
const MAX_BUFFERED = 1_000;

export interface Sink<T> {
  push(value: T): void;
  end(): void;
}

/** What comes from now on, not from the first `next` on. It ends with what it is about, by `return`, and by the signal. */
export function stream<T>(sinks: Set<Sink<T>>, isOver: boolean, signal?: AbortSignal): AsyncIterableIterator<T> {
  const buffer: T[] = [];
  let wake: () => void = () => undefined;
  let isEnded = isOver || signal?.aborted === true;
  const sink: Sink<T> = {
    push(value) {
      buffer.push(value);
      if (buffer.length > MAX_BUFFERED) sinks.delete(sink);
      wake();
    },
    end() {
      isEnded = true;
      sinks.delete(sink);
      signal?.removeEventListener("abort", abort);
      wake();
    },
  };
  const abort = (): void => {
    buffer.length = 0;
    sink.end();
  };
  if (!isEnded) sinks.add(sink);
  signal?.addEventListener("abort", abort);

  async function* values(): AsyncGenerator<T, void> {
    try {
      for (;;) {
        if (buffer.length > MAX_BUFFERED) throw new TautlineError("OVERFLOW");
        const [value] = buffer;
        if (value !== undefined) {
          buffer.shift();
          yield value;
        } else if (isEnded) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      sink.end();
    }
  }
  return values();
}
