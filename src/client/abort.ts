import type { Waiting } from "./topic.ts";

/** Runs when the signal is aborted, at once where it is already. The returned function takes it away. */
export function onAbort({ signal }: Waiting, run: () => void): () => void {
  if (signal?.aborted) run();
  signal?.addEventListener("abort", run);
  return () => signal?.removeEventListener("abort", run);
}
