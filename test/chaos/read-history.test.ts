import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HistoryError, HistoryFiles } from "./read-history.ts";
import { ACTIONS, simulate } from "./simulation.ts";

const folder = mkdtempSync(join(tmpdir(), "tautline-history-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function written(text: string): string {
  const path = join(folder, `${++files}.jsonl`);
  writeFileSync(path, text);
  return path;
}

const STOP = { op: "stop", atMs: 1, client: "s1" };
const stop = JSON.stringify(STOP);

function problemOf(text: string): HistoryError {
  const path = written(text);
  try {
    Array.from(new HistoryFiles([path]));
  } catch (error) {
    if (error instanceof HistoryError) return error;
    throw error;
  }
  throw new Error("it was read");
}

test("entries come back as they were written, of all files and of every kind", () => {
  const steps = Array.from({ length: 400 }, (_, i) => ({
    action: ACTIONS[i % ACTIONS.length] ?? "",
    who: i,
    amount: i,
  }));
  const entries = simulate(steps);
  const half = entries.length >> 1;
  const paths = [entries.slice(0, half), entries.slice(half)].map((part) =>
    written(part.map((entry) => `${JSON.stringify(entry)}\n`).join("")),
  );
  expect([...new HistoryFiles(paths)]).toEqual([...entries]);
});

test("a file larger than what is read at once, with letters of several bytes, is read whole", () => {
  const entries = Array.from({ length: 9_000 }, (_, i) => ({ ...STOP, client: `${"ä€𝄞".repeat(20)}${i}` }));
  const path = written(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  expect(Bun.file(path).size).toBeGreaterThan(1_048_576);
  const read = [...new HistoryFiles([path])];
  expect(read.length).toBe(entries.length);
  expect(read.every((entry, i) => entry.client === entries[i]?.client)).toBeTrue();
});

test("a line longer than what is read at once is read whole", () => {
  const long = { ...STOP, client: "x".repeat(3_000_000) };
  expect([...new HistoryFiles([written(`${stop}\n${JSON.stringify(long)}\n${stop}\n`)])]).toEqual([
    STOP,
    long,
    STOP,
  ] as never);
});

describe("the last line", () => {
  test("is left out and counted when it was torn, each time that the files are read", () => {
    const torn = written(`${stop}\n{"op":"stop","at`);
    const history = new HistoryFiles([torn, torn]);
    expect([...history]).toEqual([STOP, STOP] as never);
    expect([...history].length).toBe(2);
    expect(history.tornLines).toBe(2);
  });

  test("may be whole without a line feed", () => {
    const history = new HistoryFiles([written(`${stop}\n${stop}`)]);
    expect([...history].length).toBe(2);
    expect(history.tornLines).toBe(0);
  });
});

test("an empty file is a history of nothing", () => {
  expect([...new HistoryFiles([written("")])]).toEqual([]);
});

describe("what no process can have written is refused with its line:", () => {
  test.each([
    ["a torn line in the middle", `${stop}\n{"op":"st\n${stop}\n`, 2],
    ["an unknown operation", `${stop}\n\n{"op":"jump","atMs":1,"client":"a"}\n`, 3],
    ["a field that is missing", `{"op":"stop","atMs":1}\n`, 1],
    ["a field of another type", `{"op":"end","atMs":1,"client":"a","code":"1006"}\n`, 1],
    [
      "an offset that is none",
      `{"op":"gap","atMs":1,"client":"a","topic":"t","position":{"offset":-1,"epoch":"e"}}\n`,
      1,
    ],
    ["a whole last line", `${stop}\n{"op":"stop","atMs":"now","client":"a"}`, 2],
    ["what is no object", `7\n`, 1],
  ])("%s", (_what, text, line) => {
    const error = problemOf(text);
    expect(error.line).toBe(line);
    expect(error.message).toStartWith(`${error.file}:${line}: `);
  });

  test("and with the field, where there is one", () => {
    const path = `{"op":"gap","atMs":1,"client":"a","topic":"t","position":{"offset":1.5,"epoch":"e"}}\n`;
    expect(problemOf(path).message).toContain("position.offset");
  });
});
