import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/observe/clock.ts";
import { createSink } from "../../src/observe/sink.ts";
import type { Sink } from "../../src/observe/sink.ts";

export interface RecordedSink {
  readonly sink: Sink;
  /** Everything written so far, after a flush. */
  text(): Promise<string>;
  /** The same, each line parsed; fails when one is not a JSON object. */
  records(): Promise<Record<string, unknown>[]>;
  remove(): Promise<void>;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseLines(text: string): Record<string, unknown>[] {
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line is not complete");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const value: unknown = JSON.parse(line);
      if (!isRecord(value)) throw new Error("a line is no JSON object");
      return value;
    });
}

/** A real sink on a real file of its own. */
export function recordedSink(clock: Clock): RecordedSink {
  const folder = mkdtempSync(join(tmpdir(), "tautline-sink-"));
  const path = join(folder, "lines.log");
  const sink = createSink({ target: path, clock });
  async function text(): Promise<string> {
    await sink.flush(10_000);
    return readFileSync(path, "utf8");
  }
  return {
    sink,
    text,
    records: async () => parseLines(await text()),
    async remove() {
      await sink.close(1000);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Lets the event loop turn until the condition holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
