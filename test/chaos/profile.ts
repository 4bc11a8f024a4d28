import type { Expectation } from "./facts.ts";
import type { Random } from "./random.ts";
import type { Fault, Span } from "./schedule.ts";
import type { World } from "./world.ts";

export interface Profile {
  readonly summary: string;
  /** In the run of CI; null: not there. Alone it runs for a minute. */
  readonly ciSeconds: number | null;
  readonly world: (span: Span) => World;
  /** The same for the same random numbers. */
  readonly faults: (span: Span, random: Random) => readonly Fault[];
  /** Beyond the history, and beyond what every run has to keep. */
  readonly expect: Readonly<Record<string, Expectation>>;
}
