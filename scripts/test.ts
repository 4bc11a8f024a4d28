import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingPackage } from "../test/support/programs.ts";
import { installed } from "./install.ts";
import { readJunit, type Counts, type Skip } from "./junit.ts";

/**
 * Runs `bun test` with the arguments given and ends with the line `N passed, N failed, N skipped`. Exit status 1 when a test failed,
 * none ran, or the runner broke off; with CI=true or `--no-skips` also when a suite was skipped for a program that is not installed.
 */

/** Bun reports these outside of any test, and so outside of the JUnit report. */
const OUTSIDE_ERROR = "# Unhandled error between tests";

/** No test asserts a time, so this is only for those that hang: a machine that is busy takes five times as long as an idle one. */
const TEST_TIMEOUT_MS = 30_000;

interface Run {
  readonly status: number;
  readonly outsideErrors: number;
  readonly counts: Counts | null;
}

/** Copies the stream to stderr while it counts the errors outside of tests. */
async function relay(stream: ReadableStream<Uint8Array>): Promise<number> {
  const decoder = new TextDecoder();
  let errors = 0;
  let rest = "";
  for await (const chunk of stream) {
    process.stderr.write(chunk);
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (Bun.stripANSI(line).trim() === OUTSIDE_ERROR) errors++;
  }
  return errors;
}

async function runTests(args: readonly string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "tautline-test-"));
  const report = join(folder, "junit.xml");
  try {
    const own = [`--timeout=${TEST_TIMEOUT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`];
    const child = Bun.spawn([process.execPath, "test", ...own, ...args], {
      env: { ...process.env, NODE_ENV: "test", ...(process.stderr.isTTY ? { FORCE_COLOR: "1" } : {}) },
      stdio: ["ignore", "inherit", "pipe"],
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
    const outsideErrors = await relay(child.stderr);
    const status = await child.exited;
    const file = Bun.file(report);
    return { status, outsideErrors, counts: (await file.exists()) ? readJunit(await file.text()) : null };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

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

async function main(args: readonly string[]): Promise<number> {
  const forbidsSkips = process.env["CI"] === "true" || args.includes("--no-skips");
  const passedOn = args.filter((arg) => arg !== "--no-skips");
  const { status, outsideErrors, counts } = installed()
    ? await runTests(passedOn)
    : { status: 1, outsideErrors: 0, counts: null };
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
