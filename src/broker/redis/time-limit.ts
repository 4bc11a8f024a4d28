import type { Clock } from "../../observe/clock.ts";
import { ProtocolError } from "../../protocol/codes.ts";

/** The same promise, which rejects UNAVAILABLE when it has not ended in time. What it stands for goes on. */
export function withTimeLimit<T>(work: Promise<T>, limitMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(new ProtocolError("UNAVAILABLE")));
    void work.then(resolve, reject).finally(cancel);
  });
}
