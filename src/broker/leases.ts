import * as v from "valibot";
import { isLife } from "./life.ts";

export interface Leases {
  /** Of a renewal: the lease had ended, or never was. Of a question: it was asked. */
  readonly flag: boolean;
  /** The time of Redis at that moment, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Node → when its lease ends, by the clock of Redis. */
  readonly ends: ReadonlyMap<string, number>;
  /** Entries that no node has made. */
  readonly bad: number;
}

const Answer = v.tuple([v.number(), v.number(), v.array(v.string())]);
const End = /^\d{1,16}$/;

/** What `renew-lease.lua` and `ask-nodes.lua` answer; null when it is something else. */
export function leasesOf(answer: unknown): Leases | null {
  const parsed = v.safeParse(Answer, answer);
  if (!parsed.success) return null;
  const [flag, nowMs, flat] = parsed.output;
  const ends = new Map<string, number>();
  let bad = 0;
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [node = "", end = ""] = flat.slice(at, at + 2);
    if (isLife(node) && End.test(end)) ends.set(node, Number(end));
    else bad += 1;
  }
  return { flag: flag === 1, nowMs, ends, bad };
}
