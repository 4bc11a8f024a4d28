import * as v from "valibot";
import { isLife } from "./life.ts";

export interface Leases {
  /** The lease that was renewed had ended, or never was. */
  readonly isNew: boolean;
  /** Node → when its lease ends, by the clock of Redis. */
  readonly ends: ReadonlyMap<string, number>;
  /** Entries that no node has made. */
  readonly bad: number;
}

const Answer = v.tuple([v.number(), v.array(v.string())]);
const End = /^\d{1,16}$/;

/** What `renew-lease.lua` and `ask-nodes.lua` answer; null when it is something else. */
export function leasesOf(answer: unknown): Leases | null {
  const parsed = v.safeParse(Answer, answer);
  if (!parsed.success) return null;
  const [isNew, flat] = parsed.output;
  const ends = new Map<string, number>();
  let bad = 0;
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [node = "", end = ""] = flat.slice(at, at + 2);
    if (isLife(node) && End.test(end)) ends.set(node, Number(end));
    else bad += 1;
  }
  return { isNew: isNew === 1, ends, bad };
}
