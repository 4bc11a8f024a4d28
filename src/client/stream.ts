import type { Emitter } from "./emitter.ts";
import { TautlineError } from "./error.ts";
import type { Waiting } from "./topic.ts";

/** What came and was not asked for yet. Beyond it the iteration fails, for else something would be missing from it. */
const MAX_BUFFERED = 1_000;

/** The events of that name from now on, not from the first `next` on. Ends with its emitter, by `return`, and by the signal. */
export function stream<Events, Name extends keyof Events>(
  emitter: Emitter<Events>,
  name: Name,
  isOver: unknown,
  { signal }: Waiting = {},
): AsyncIterableIterator<Events[Name]> {
  const buffer: Events[Name][] = [];
  const over = new AbortController();
  let wake: (() => void) | undefined;
  let isEnded = isOver || signal?.aborted;
  const unsubscribe = emitter.on(name, (event) => {
    // One more tells that it was too much.
    if (!isEnded && buffer.length <= MAX_BUFFERED) buffer.push(event);
    wake?.();
  });
  const end = (): void => {
    isEnded = true;
    unsubscribe();
    emitter.ends.delete(end);
    over.abort();
    wake?.();
  };
  emitter.ends.add(end);
  signal?.addEventListener("abort", end, over);

  async function* values(): AsyncGenerator<Events[Name], void> {
    try {
      for (;;) {
        if (signal?.aborted) return;
        const [event] = buffer;
        if (buffer.length > MAX_BUFFERED) throw new TautlineError("OVERFLOW");
        if (event !== undefined) {
          buffer.shift();
          yield event;
        } else if (isEnded) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      end();
    }
  }
  return values();
}
