import type { Missing } from "./account.ts";
import type { Slot } from "./stream.ts";

/** Missing messages of one member, one behind the other. */
export interface MissingRun {
  readonly first: Slot;
  last: Slot;
  messages: number;
}

/** The missing in their order, in runs without a message between them that is not missing: a hole is one finding, however wide. */
export function runsOf(missing: readonly Missing[]): readonly MissingRun[] {
  const open = new Map<Slot["stream"], MissingRun>();
  const runs: MissingRun[] = [];
  for (const { slot } of missing) {
    const run = open.get(slot.stream);
    if (run !== undefined && slot.offset === run.last.offset + 1) {
      run.last = slot;
      run.messages += 1;
      continue;
    }
    const next = { first: slot, last: slot, messages: 1 };
    open.set(slot.stream, next);
    runs.push(next);
  }
  return runs;
}
