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
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let rest = Buffer.alloc(0);
    for (;;) {
      const length = readSync(file, chunk, 0, CHUNK_BYTES, null);
      if (length === 0) break;
      const bytes = Buffer.concat([rest, chunk.subarray(0, length)]);
      const end = bytes.lastIndexOf(LINE_FEED);
      rest = bytes.subarray(end + 1);
      if (end < 0) continue;
      for (const text of bytes.toString("utf8", 0, end).split("\n")) yield { text, isWhole: true };
    }
    if (rest.length > 0) yield { text: rest.toString(), isWhole: false };
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

function checked(value: unknown, path: string, line: number): Entry {
  if (v.is(entry, value)) return value;
  const [issue] = v.safeParse(entry, value).issues ?? [];
  const field = issue === undefined ? null : v.getDotPath(issue);
  throw new HistoryError(path, line, `${field ?? "entry"}: ${issue?.message ?? "is invalid"}`);
}
