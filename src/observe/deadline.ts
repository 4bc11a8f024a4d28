import type { Clock } from "./clock.ts";

/** Rejects with an `Error` when the promise has not settled after `timeoutMs`; what becomes of it then is nobody's business. */
export function within<T>(promise: Promise<T>, timeoutMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)));
    promise.then(resolve, reject).finally(cancel);
  });
}
