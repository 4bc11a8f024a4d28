import { availableParallelism } from "node:os";
import { runTests, type TestRun } from "./test-run.ts";

/** What the project is measured with has tests too: `bun run test:kit`. */
const OF_THE_KIT = /^test\/(?:chaos|bench)\//;
/** Much of a test is waiting: a core bears more than one of them. */
const LANES = Math.min(4, availableParallelism() + 1);
const FILES_AT_ONCE = 10;

/** All tests but those of the kit, some files at a time in each of several processes; what each says is written when it has ended. */
export async function runInLanes(): Promise<TestRun> {
  const waiting = [...new Bun.Glob("test/**/*.test.ts").scanSync()]
    .filter((path) => !OF_THE_KIT.test(path) && !path.includes("node_modules"))
    .toSorted();
  const runs: TestRun[] = [];
  const lane = async (): Promise<void> => {
    for (let files = waiting.splice(0, FILES_AT_ONCE); files.length > 0; files = waiting.splice(0, FILES_AT_ONCE)) {
      const said: Uint8Array[] = [];
      runs.push(await runTests(files, (chunk) => said.push(chunk)));
      for (const chunk of said) process.stderr.write(chunk);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return sumOf(runs);
}

function sumOf(runs: readonly TestRun[]): TestRun {
  const all = runs.map(({ counts }) => counts).filter((counts) => counts !== null);
  const sum = (pick: (counts: (typeof all)[number]) => number): number =>
    all.reduce((total, counts) => total + pick(counts), 0);
  return {
    status: runs.find(({ status }) => status !== 0)?.status ?? 0,
    outsideErrors: runs.reduce((total, { outsideErrors }) => total + outsideErrors, 0),
    counts:
      all.length < runs.length
        ? null
        : {
            passed: sum(({ passed }) => passed),
            failed: sum(({ failed }) => failed),
            skips: all.flatMap(({ skips }) => skips),
          },
  };
}
