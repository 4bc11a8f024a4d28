import { KEPT_BY_NUMBER } from "./rest.ts";
import type { Sample } from "./sample.ts";
import type { SoakResult } from "./soak.ts";

/** One thing that has to be at the end as it was at the start. */
export interface Finding {
  readonly what: string;
  readonly start: number;
  /** The most of it while the visitors came and went. */
  readonly peak: number;
  readonly end: number;
  readonly rule: string;
  readonly isMet: boolean;
}

/** How much more memory the node may hold in the end than in the beginning. */
const MOST_GROWTH = 1.1;
/** What the node keeps of ended topics and of peers, at most. */
const MOST_BY_NUMBER = 100_000;

const COUNTS = ["connections", "users", "topics", "memberships", "descriptors", "timers"] as const;
const MEMORY = ["residentBytes", "heapBytes"] as const;

/** Memory within 10 %, every count exactly as before, every map empty again but those that are bounded by number, and no surprises. */
export function findingsOf({ start, end, samples, unexpected, failures }: SoakResult): Finding[] {
  const peakOf = (read: (sample: Sample) => number): number => Math.max(...samples.map(read));
  const find = (what: string, read: (sample: Sample) => number, rule: Rule): Finding => {
    const [before, after] = [read(start.sample), read(end.sample)];
    const { says, isMet } = rule;
    return { what, start: before, peak: peakOf(read), end: after, rule: says, isMet: isMet(before, after) };
  };
  const kinds = Object.keys(end.sample.entries);
  return [
    ...MEMORY.map((name) => find(name, (sample) => sample[name], WITHIN)),
    ...COUNTS.map((name) => find(name, (sample) => sample[name], SAME)),
    ...kinds.map((kind) => {
      return find(kind, ({ entries }) => entries[kind] ?? Number.NaN, KEPT_BY_NUMBER.has(kind) ? BOUNDED : EMPTY);
    }),
    counted(
      "unexpected answers",
      Object.values(unexpected).reduce((sum, count) => sum + count, 0),
    ),
    ...Object.entries(failures).map(([name, count]) => counted(name, count)),
  ];
}

interface Rule {
  readonly says: string;
  readonly isMet: (start: number, end: number) => boolean;
}

const WITHIN: Rule = { says: "at most 10 % more", isMet: (start, end) => end <= start * MOST_GROWTH };
const SAME: Rule = { says: "the same", isMet: (start, end) => end === start };
const EMPTY: Rule = { says: "empty", isMet: (_, end) => end === 0 };
const BOUNDED: Rule = { says: "at most 100,000", isMet: (_, end) => end <= MOST_BY_NUMBER };

function counted(what: string, count: number): Finding {
  return { what, start: 0, peak: count, end: count, rule: "none", isMet: count === 0 };
}
