import { describe, test } from "bun:test";
import { HAS_SECOND_NODE } from "./second-node.ts";

/**
 * What is promised of each node for itself. With `TEST_NODES=2` the tests of that are skipped, with the reason in their title: a test that only
 * happens to look at one node waits for what it means instead.
 */
const REASONS = {
  limits: "each node counts limits for itself",
  drain: "one process drains, and the others serve on",
  lines: "it compares all that one process writes, in its order",
  numbers: "the answer is about the node that is asked",
  memory: "it is about the memory broker",
  clock: "Redis does not go by a clock that the test sets",
  load: "the event loop of each node is behind or is not",
} as const;

type Reason = keyof typeof REASONS;

const titled = (title: string, reason: Reason): string => `${title} (one node: ${REASONS[reason]})`;

/** `test`, which two nodes skip. */
export function oneNode(reason: Reason): (title: string, run: () => unknown, timeoutMs?: number) => void {
  return (title, run, timeoutMs) =>
    HAS_SECOND_NODE
      ? test.skip(titled(title, reason), () => undefined)
      : test(title, async () => void (await run()), timeoutMs);
}

/** `describe`, which two nodes skip. */
export function oneNodeSuite(reason: Reason): (title: string, define: () => void) => void {
  return (title, define) => (HAS_SECOND_NODE ? describe.skip(titled(title, reason), define) : describe(title, define));
}
