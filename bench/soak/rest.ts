import { median } from "../load/statistics.ts";
import type { Sample } from "./sample.ts";
import type { Subject } from "./subject.ts";

/** The node when nobody is there and all that ends by time has ended. */
export interface Rest {
  /** With the median of the memory. */
  readonly sample: Sample;
  readonly residentBytes: readonly number[];
  readonly anonymousBytes: readonly number[];
  readonly heapBytes: readonly number[];
  /** Behind a collection, before compiled code was dropped. For reading: how much is compiled depends on what ran last. */
  readonly heapWithCodeBytes: number;
  /** Objects on the heap by type. */
  readonly types: Readonly<Record<string, number>>;
}

export interface RestPlan {
  /** So many topics that have ended are remembered at both ends: what is kept by number must be as much before as after. Null: as many as there are. */
  readonly endedTopics: number | null;
  /**
   * How many looks at the memory, a second apart, each without compiled code and behind a collection: the median of the last seven counts.
   * The allocator gives pages back bit by bit, so both ends need as many.
   */
  readonly looks: number;
}

/** Kept by number and not by time: they are forgotten when they are too many. */
export const KEPT_BY_NUMBER: ReadonlySet<string> = new Set(["ended_topics", "peer_addresses"]);

/** Longer than anything is remembered by default: changed permissions are, for a day. */
const A_DAY_AND_MORE_MS = 25 * 3_600_000;
const EMPTY_DEADLINE_MS = 60_000;
const POLL_MS = 500;
const TOPICS_PER_CALL = 100;
const MAX_ENDED_TOPICS = 100_000;
const LOOK_INTERVAL_MS = 1_000;
const COUNTED_LOOKS = 7;

/**
 * Waits until the connections are gone, ends what ends by time, makes the topics that have ended so many, and looks at the memory
 * many times.
 */
export async function restOf(
  subject: Subject,
  { endedTopics, looks: count }: RestPlan,
  atMs: () => number,
): Promise<Rest> {
  await until(subject, ({ connections }) => connections === 0);
  const ended = await endAll(subject);
  if (endedTopics !== null) {
    // One more than the broker remembers, and it starts to remember anew.
    await publishTo(subject, endedTopics - ended + (ended > endedTopics ? MAX_ENDED_TOPICS : 0));
    await endAll(subject);
  }
  const { heapBytes: heapWithCodeBytes } = await subject.inside(true);
  const looks: Sample[] = [];
  for (let look = 0; look < count; look += 1) {
    await subject.shrink();
    await Bun.sleep(LOOK_INTERVAL_MS);
    looks.push(await subject.sample(atMs(), true));
  }
  const [last] = looks.slice(-1);
  if (last === undefined) throw new Error("nobody has looked");
  const residentBytes = looks.map((look) => look.residentBytes);
  const anonymousBytes = looks.map((look) => look.anonymousBytes);
  const heapBytes = looks.map((look) => look.heapBytes);
  const sample = {
    ...last,
    residentBytes: median(residentBytes.slice(-COUNTED_LOOKS)),
    anonymousBytes: median(anonymousBytes.slice(-COUNTED_LOOKS)),
    heapBytes: median(heapBytes.slice(-COUNTED_LOOKS)),
  };
  const { types } = await subject.inside(true);
  return { sample, residentBytes, anonymousBytes, heapBytes, heapWithCodeBytes, types };
}

/** Puts the clocks forward and waits until the sweeps are through. The topics that have ended, as far as they are remembered. */
async function endAll(subject: Subject): Promise<number> {
  await subject.advance(A_DAY_AND_MORE_MS);
  await until(subject, ({ entries }) =>
    Object.entries(entries).every(([kind, count]) => count === 0 || KEPT_BY_NUMBER.has(kind)),
  );
  const { entries } = await subject.sample(0, false);
  return entries["ended_topics"] ?? 0;
}

/** One message each to so many topics that nobody has published to. */
async function publishTo(subject: Subject, count: number): Promise<void> {
  for (let from = 0; from < count; from += TOPICS_PER_CALL) {
    const topics = Array.from({ length: Math.min(TOPICS_PER_CALL, count - from) }, (_, n) => {
      return `room:ended-${subject.aheadMs.toString(36)}-${from + n}`;
    });
    const answer = await fetch(`http://127.0.0.1:${subject.port}/api/publish`, {
      ...{ method: "POST", keepalive: false },
      headers: { "X-API-Key": subject.apiKey, "Content-Type": "application/json" },
      body: JSON.stringify({ topics, event: "ended" }),
    });
    if (!answer.ok) throw new Error(`a publish was answered ${answer.status}`);
  }
}

/** Not rejecting when it never is: then the verdict tells what is left. */
async function until(subject: Subject, isSo: (sample: Sample) => boolean): Promise<void> {
  const deadlineMs = performance.now() + EMPTY_DEADLINE_MS;
  while (!isSo(await subject.sample(0, false)) && performance.now() < deadlineMs) await Bun.sleep(POLL_MS);
}
