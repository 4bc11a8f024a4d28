import * as v from "valibot";

/** What the node tells of itself through `inside.ts`. */
export const Inside = v.object({
  residentBytes: v.number(),
  anonymousBytes: v.number(),
  heapBytes: v.number(),
  objects: v.number(),
  timers: v.number(),
  types: v.record(v.string(), v.number()),
});

export type Inside = v.InferOutput<typeof Inside>;

/** The node at one moment. */
export interface Sample extends Omit<Inside, "types"> {
  /** Since the start of the churn; negative before it. */
  readonly atMs: number;
  readonly descriptors: number;
  /** Open connections, users, topics with members, memberships. */
  readonly connections: number;
  readonly users: number;
  readonly topics: number;
  readonly memberships: number;
  /** Lines of log and audit log that were not written. */
  readonly lostLines: number;
  /** What the node remembers, by kind (`tautline_state_entries`). */
  readonly entries: Readonly<Record<string, number>>;
}

const GAUGES = ["connections", "users", "topics", "memberships"] as const;
const ENTRY = /^tautline_state_entries\{kind="([a-z_]+)"\} (\d+)$/gm;

/** From the text of `/metrics`. */
export function sampleOf(text: string, inside: Inside, descriptors: number, atMs: number): Sample {
  const { types: _, ...rest } = inside;
  const [connections, users, topics, memberships] = GAUGES.map((name) => valueOf(text, name));
  const entries = [...text.matchAll(ENTRY)].map(([, kind = "", count]) => [kind, Number(count)] as const);
  if (entries.length === 0) throw new Error("/metrics tells no tautline_state_entries");
  return {
    ...rest,
    ...{ atMs, descriptors },
    connections: connections ?? Number.NaN,
    users: users ?? Number.NaN,
    topics: topics ?? Number.NaN,
    memberships: memberships ?? Number.NaN,
    lostLines: valueOf(text, "log_lost_total") + valueOf(text, "audit_lost_total"),
    entries: Object.fromEntries(entries),
  };
}

/** A series of `/metrics` without labels; NaN where there is none. */
export function valueOf(text: string, name: string): number {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`tautline_${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(line.lastIndexOf(" ") + 1));
}
