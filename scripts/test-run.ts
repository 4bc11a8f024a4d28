import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJunit, type Counts } from "./junit.ts";

/** Bun reports these outside of any test, and so outside of the JUnit report. */
const OUTSIDE_ERROR = "# Unhandled error between tests";

/** No test asserts a time, so this is only for those that hang: a machine that is busy takes five times as long as an idle one. */
const TEST_TIMEOUT_MS = 30_000;

export interface TestRun {
  readonly status: number;
  readonly outsideErrors: number;
  /** Null: the runner ended before its report was complete. */
  readonly counts: Counts | null;
}

const children = new Set<Bun.Subprocess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    for (const child of children) child.kill(signal);
  });
}

/** One `bun test`. `write` gets what it says, as it says it. */
export async function runTests(args: readonly string[], write: (chunk: Uint8Array) => void): Promise<TestRun> {
  const folder = mkdtempSync(join(tmpdir(), "tautline-test-"));
  const report = join(folder, "junit.xml");
  try {
    const own = [`--timeout=${TEST_TIMEOUT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`];
    const child = Bun.spawn([process.execPath, "test", ...own, ...args], {
      env: { ...process.env, NODE_ENV: "test", ...(process.stderr.isTTY ? { FORCE_COLOR: "1" } : {}) },
      stdio: ["ignore", "inherit", "pipe"],
    });
    children.add(child);
    const outsideErrors = await relay(child.stderr, write);
    const status = await child.exited;
    children.delete(child);
    const file = Bun.file(report);
    return { status, outsideErrors, counts: (await file.exists()) ? readJunit(await file.text()) : null };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Passes the stream on while it counts the errors outside of tests. */
async function relay(stream: ReadableStream<Uint8Array>, write: (chunk: Uint8Array) => void): Promise<number> {
  const decoder = new TextDecoder();
  let errors = 0;
  let rest = "";
  for await (const chunk of stream) {
    write(chunk);
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (Bun.stripANSI(line).trim() === OUTSIDE_ERROR) errors++;
  }
  return errors;
}
