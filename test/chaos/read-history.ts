import { closeSync, openSync, readSync } from "node:fs";
import * as v from "valibot";
import { entry } from "./history-schema.ts";
import type { Entry } from "./history.ts";

/** Bytes read at once; a history is larger than what a string holds. */
const CHUNK_BYTES = 1_048_576;
const LINE_FEED = 10;

/** A line that no process of the kit can have written. The message names the file, the line and what is wrong with it. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
  readonly file: string;
  readonly line: number;

  constructor(file: string, line: number, problem: string) {
    super(`${file}:${line}: ${problem}`);
    this.file = file;
    this.line = line;
  }
}

/**
 * The entries of the files, one file after the other, read while they are iterated. A last line without its line feed that is no JSON was torn
 * when its process was killed: it is left out and counted.
 */
export class HistoryFiles implements Iterable<Entry> {
  readonly #paths: readonly string[];
  #tornLines = 0;

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /** Known once everything has been iterated. */
  get tornLines(): number {
    return this.#tornLines;
  }

  *[Symbol.iterator](): Generator<Entry, void> {
    this.#tornLines = 0;
    for (const path of this.#paths) {
      let number = 0;
      for (const { text, isWhole } of linesOf(path)) {
        number += 1;
        if (text === "") continue;
        const value = parsed(text);
        if (value !== undefined) yield checked(value, path, number);
        else if (isWhole) throw new HistoryError(path, number, "is not JSON");
        else this.#tornLines += 1;
      }
    }
  }
}

interface Line {
  readonly text: string;
  /** Whether a line feed ends it. */
  readonly isWhole: boolean;
}

function* linesOf(path: string): Generator<Line, void> {
  const file = openSync(path, "r");
  try {
    let buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    /** Bytes of a line whose end has not been read yet, at the start of the buffer. */
    let open = 0;
    for (;;) {
      if (open === buffer.length) buffer = Buffer.concat([buffer], 2 * open);
      const length = readSync(file, buffer, open, buffer.length - open, null);
      if (length === 0) break;
      const end = buffer.subarray(open, open + length).lastIndexOf(LINE_FEED);
      if (end < 0) {
        open += length;
        continue;
      }
      const text = buffer.toString("utf8", 0, open + end);
      buffer.copyWithin(0, open + end + 1, open + length);
      open = length - end - 1;
      for (const line of text.split("\n")) yield { text: line, isWhole: true };
    }
    if (open > 0) yield { text: buffer.toString("utf8", 0, open), isWhole: false };
  } finally {
    closeSync(file);
  }
}

/** Undefined, which JSON cannot say, where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Looked up instead of tried: a history has millions of lines. */
const schemas: ReadonlyMap<unknown, v.GenericSchema<unknown, Entry>> = new Map(
  entry.options.map((option) => [option.entries.op.literal, option]),
);

function opOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "op" in value ? value.op : undefined;
}

function checked(value: unknown, path: string, line: number): Entry {
  const result = v.safeParse(schemas.get(opOf(value)) ?? entry, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new HistoryError(path, line, `${v.getDotPath(issue) ?? "entry"}: ${issue.message}`);
}
