import { type Clock, systemClock } from "../../src/observe/clock.ts";

/** The clock of the machine, which throws where a test wants a fault of ours: in calls that `faultIn` finds on the stack. */
export class FaultyClock implements Clock {
  /** Fits a line of a stack: `at ping .*hub\/handlers`. */
  faultIn: RegExp | null = null;
  readonly #fault: unknown;
  thrown = 0;

  constructor(fault: unknown) {
    this.#fault = fault;
  }

  now = (): number => {
    this.#check();
    return systemClock.now();
  };

  monotonic = (): number => {
    this.#check();
    return systemClock.monotonic();
  };

  after = (ms: number, run: () => void): (() => void) => systemClock.after(ms, run);

  #check(): void {
    if (this.faultIn === null || !this.faultIn.test(new Error("where").stack ?? "")) return;
    this.thrown += 1;
    throw this.#fault;
  }
}
