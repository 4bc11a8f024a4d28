/** Overloaded above the threshold, until below half of it: between the two it stays as it was. */
export function isOverloaded(was: boolean, loopDelayP99Ms: number, thresholdMs: number): boolean {
  return loopDelayP99Ms > (was ? thresholdMs / 2 : thresholdMs);
}
