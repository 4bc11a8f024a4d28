import { describe, test } from "bun:test";
import { IS_UWS } from "./second-engine.ts";

/** What cannot be said of the second engine, or not from outside of its process: skipped with `ENGINE=uws`, with the reason in the title. */
const REASONS = {
  accounts: "accounts need Bun",
  clock: "the test sets the clock of the node",
  inside: "the test looks into the node",
  parser: "the package reads it otherwise, or ends the connection without an answer",
  proxy: "the package skips a header of the PROXY protocol",
  frames: "the package does not look for that",
  packet: "the package drops what follows an upgrade in its packet",
} as const;

type Reason = keyof typeof REASONS;

const titled = (title: string, reason: Reason): string => `${title} (on Bun: ${REASONS[reason]})`;

/** `test`, which the second engine skips. */
export function onBun(reason: Reason): (title: string, run: () => unknown, timeoutMs?: number) => void {
  return (title, run, timeoutMs) =>
    IS_UWS ? test.skip(titled(title, reason), () => undefined) : test(title, async () => void (await run()), timeoutMs);
}

/** `describe`, which the second engine skips. */
export function onBunSuite(reason: Reason): (title: string, define: () => void) => void {
  return (title, define) => (IS_UWS ? describe.skip(titled(title, reason), define) : describe(title, define));
}

/** The rows of a `test.each` for the engine; those of the titles given are skipped on the second one. */
export function rowsFor<R extends readonly [string, ...unknown[]]>(
  reason: Reason,
  titles: readonly string[],
  rows: readonly R[],
): R[] {
  if (!IS_UWS) return [...rows];
  for (const title of titles) test.skip(titled(title, reason), () => undefined);
  return rows.filter(([title]) => !titles.includes(title));
}
