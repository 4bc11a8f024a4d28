import { onAbort } from "./abort.ts";
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
  options: Waiting = {},
): AsyncIterableIterator<Events[Name]> {
  const buffer: Events[Name][] = [];
  let wake: (() => void) | undefined;
  let isEnded: unknown;
  const unsubscribe = emitter.on(name, (event) => {
    // One more tells that it was too much.
    if (buffer.push(event) > MAX_BUFFERED) end();
    wake?.();
  });
  // What was aborted before ends it while there is nothing else to be taken away.
  let forget = unsubscribe;
  const end = (): void => {
    isEnded = true;
    unsubscribe();
    emitter.ends.delete(end);
    forget();
    wake?.();
  };
  /** What came before is not wanted any more either. */
  const stop = (): void => {
    buffer.length = 0;
    end();
  };
  emitter.ends.add(end);
  forget = onAbort(options, stop);
  if (isOver) end();

  const all = (async function* (): AsyncGenerator<Events[Name], void> {
    for (;;) {
      if (buffer.length > MAX_BUFFERED) {
        buffer.length = 0;
        throw new TautlineError("OVERFLOW");
      }
      const event = buffer.shift();
      if (event) yield event;
      else if (isEnded) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  })();
  const finish = all.return.bind(all);
  // A generator would look at it only when the event came that somebody waits for.
  all.return = (value) => {
    stop();
    return finish(value);
  };
  return all;
}
