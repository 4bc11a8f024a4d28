import { missingPackage } from "../test/support/programs.ts";
import { installed } from "./install.ts";
import type { Skip } from "./junit.ts";
import { runInLanes } from "./test-lanes.ts";
import { runTests, type TestRun } from "./test-run.ts";

/**
 * Runs `bun test` with the arguments given, or without any the tests of everything but the kit, and ends with the line
 * `N passed, N failed, N skipped`. Exit status 1 when a test failed,
 * none ran, or the runner broke off; with CI=true or `--no-skips` also when a suite was skipped for a program that is not installed.
 */

function listSkips(skips: readonly Skip[]): void {
  if (skips.length === 0) return;
  console.log("\nSkipped:");
  for (const { file, title } of skips) console.log(`  ${file}: ${title}`);
  const packages = new Set(skips.map(({ title }) => missingPackage(title)).filter((name) => name !== null));
  if (packages.size > 0) console.log(`To run them: apt-get install ${[...packages].toSorted().join(" ")}`);
}

/** A filter by name turns every other test into a skip: those are not worth a line. */
function isFiltered(args: readonly string[]): boolean {
  return args.some((arg) => arg === "-t" || arg.startsWith("--test-name-pattern"));
}

const NOTHING: TestRun = { status: 1, outsideErrors: 0, counts: null };

function run(args: readonly string[]): Promise<TestRun> {
  return args.length === 0 ? runInLanes() : runTests(args, (chunk) => process.stderr.write(chunk));
}

async function main(args: readonly string[]): Promise<number> {
  const forbidsSkips = process.env["CI"] === "true" || args.includes("--no-skips");
  const passedOn = args.filter((arg) => arg !== "--no-skips");
  const { status, outsideErrors, counts } = installed() ? await run(passedOn) : NOTHING;
  const skips = counts?.skips ?? [];
  const passed = counts?.passed ?? 0;
  if (!isFiltered(passedOn)) listSkips(skips);

  const problems: string[] = [];
  let failed = (counts?.failed ?? 0) + outsideErrors;
  const missing = forbidsSkips ? skips.filter(({ title }) => missingPackage(title) !== null).length : 0;
  if (missing > 0) problems.push(`${missing} skipped for a missing program count as failed`);
  failed += missing;
  if (counts === null) problems.push("the test runner ended before its report was complete");
  else if (passed + failed === 0) problems.push("no test ran");
  else if (status !== 0 && failed === 0) problems.push(`the test runner exited with status ${status}`);
  if (failed === 0 && problems.length > 0) failed = 1;

  for (const problem of problems) console.log(`\nFailed: ${problem}.`);
  console.log(`\n${passed} passed, ${failed} failed, ${skips.length - missing} skipped`);
  return failed === 0 ? 0 : 1;
}

process.exit(await main(process.argv.slice(2)));
