import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJunit, type Counts } from "./junit.ts";

/** Bun reports these outside of any test, and so outside of the JUnit report. */
const OUTSIDE_ERROR = "# Unhandled error between tests";

/** No test asserts a time, so this is only for those that hang: a machine that is busy takes five times as long as an idle one. */
const TEST_TIMEOUT_MS = 30_000;
/** For what the runner has said and was not read when it ended. */
const REST_MS = 2_000;

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
    const said = new Said(write);
    const relayed = said.relay(child.stderr);
    const status = await child.exited;
    // A process that a test has left behind may hold the stream for ever.
    await Promise.race([relayed, Bun.sleep(REST_MS)]);
    const { outsideErrors } = said;
    children.delete(child);
    const file = Bun.file(report);
    return { status, outsideErrors, counts: (await file.exists()) ? readJunit(await file.text()) : null };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a run says: passed on, and the errors outside of tests counted. */
class Said {
  outsideErrors = 0;
  readonly #write: (chunk: Uint8Array) => void;

  constructor(write: (chunk: Uint8Array) => void) {
    this.#write = write;
  }

  async relay(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      this.#write(chunk);
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (Bun.stripANSI(line).trim() === OUTSIDE_ERROR) this.outsideErrors++;
    }
  }
}
