import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSink } from "../../src/observe/sink.ts";
import type { LineWriter, Sink } from "../../src/observe/sink.ts";
import { FakeClock } from "../support/clock.ts";
import { isRecord, parseLines, until } from "./recorded-sink.ts";

const folder = (): string => mkdtempSync(join(tmpdir(), "tautline-sink-"));
const folders: string[] = [];
const sinks: Sink[] = [];

function place(): string {
  const made = folder();
  folders.push(made);
  return made;
}

function sinkTo(target: string, clock: FakeClock, maxBufferedBytes = 1024 * 1024): { sink: Sink; writer: LineWriter } {
  const sink = createSink({ target, clock, maxBufferedBytes });
  sinks.push(sink);
  return { sink, writer: sink.writer((lost) => `${JSON.stringify({ lost })}\n`) };
}

afterEach(async () => {
  for (const sink of sinks.splice(0)) {
    // A sink that cannot write would wait for a clock that stands still.
    if (sink.failure === null) await sink.close(1000);
  }
  for (const made of folders.splice(0)) rmSync(made, { recursive: true });
});

describe("a sink on a file", () => {
  test("writes lines in the order of the calls, gathered into few writes, and flush waits for all of them", async () => {
    const path = join(place(), "log");
    const { sink, writer } = sinkTo(path, new FakeClock());
    for (let n = 0; n < 5000; n += 1)
      expect(writer.append(`${JSON.stringify({ n, text: "é".repeat(n % 40) })}\n`)).toBe(true);
    expect(await sink.flush(10_000)).toBe(true);
    const records = parseLines(readFileSync(path, "utf8"));
    expect(records.map((record) => record["n"])).toEqual(Array.from({ length: 5000 }, (_, n) => n));
    expect(sink.bufferedBytes).toBe(0);
    expect(sink.errors).toBe(0);
  });

  test("writes without a flush once the gathering time is over", async () => {
    const path = join(place(), "log");
    const clock = new FakeClock();
    const { sink, writer } = sinkTo(path, clock);
    writer.append("{}\n");
    expect(readFileSync(path, "utf8")).toBe("");
    clock.advance(10);
    await until(() => sink.bufferedBytes === 0);
    expect(readFileSync(path, "utf8")).toBe("{}\n");
  });

  test("creates it readable by its owner alone and appends to what is there", async () => {
    const path = join(place(), "log");
    const first = sinkTo(path, new FakeClock());
    first.writer.append("1\n");
    await first.sink.close(1000);
    const second = sinkTo(path, new FakeClock());
    second.writer.append("2\n");
    await second.sink.flush(1000);
    expect(readFileSync(path, "utf8")).toBe("1\n2\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("drops what comes after close", async () => {
    const { sink, writer } = sinkTo(join(place(), "log"), new FakeClock());
    await sink.close(1000);
    expect(writer.append("late\n")).toBe(false);
    expect(sink.drops).toBe(1);
  });
});

describe("a sink that cannot write", () => {
  test("counts a full disk, keeps the lines up to the bound, drops and counts the rest, and tries again", async () => {
    const clock = new FakeClock();
    const { sink, writer } = sinkTo("/dev/full", clock, 1000);
    const line = `${"x".repeat(99)}\n`;
    for (let i = 0; i < 10; i += 1) expect(writer.append(line)).toBe(true);
    clock.advance(10);
    await until(() => sink.errors === 1);
    expect(sink.failure).toBe("ENOSPC");
    expect(writer.append(line)).toBe(false);
    expect(writer.lost).toBe(1);
    expect(sink.bufferedBytes).toBe(1000);
    clock.advance(1000);
    await until(() => sink.errors === 2);
    expect(sink.drops).toBe(1);
  });

  test("reports lost lines in their place once it works again", async () => {
    const clock = new FakeClock();
    const parent = join(place(), "missing");
    const path = join(parent, "log");
    const { sink, writer } = sinkTo(path, clock, 20);
    expect(sink.failure).toBe("ENOENT");
    expect(writer.append('{"n":1}\n')).toBe(true);
    expect(writer.append('{"n":2}\n')).toBe(true);
    expect(writer.append('{"n":3}\n')).toBe(false);
    // Small enough to fit, yet it must not stand before the report of the line that was lost earlier.
    expect(writer.append("{}\n")).toBe(false);
    mkdirSync(parent);
    clock.advance(1000);
    await until(() => sink.failure === null && sink.bufferedBytes === 0);
    writer.append('{"n":5}\n');
    await sink.flush(1000);
    expect(parseLines(readFileSync(path, "utf8"))).toEqual([{ n: 1 }, { n: 2 }, { lost: 2 }, { n: 5 }]);
    expect(writer.lost).toBe(2);
  });

  test("tells each writer's losses apart", async () => {
    const clock = new FakeClock();
    const parent = join(place(), "missing");
    const sink = createSink({ target: join(parent, "log"), clock, maxBufferedBytes: 10 });
    sinks.push(sink);
    const log = sink.writer((lost) => `${JSON.stringify({ log: lost })}\n`);
    const audit = sink.writer((lost) => `${JSON.stringify({ audit: lost })}\n`);
    log.append("{}\n");
    audit.append('{"n":"too long for the rest"}\n');
    audit.append("{}\n");
    log.append("{}\n");
    mkdirSync(parent);
    clock.advance(1000);
    await until(() => sink.failure === null && sink.bufferedBytes === 0);
    expect(parseLines(readFileSync(join(parent, "log"), "utf8"))).toEqual([{}, { log: 1 }, { audit: 2 }]);
    expect(sink.drops).toBe(3);
  });

  test("reports a line that alone is over the bound", async () => {
    const clock = new FakeClock();
    const path = join(place(), "log");
    const { sink, writer } = sinkTo(path, clock, 20);
    expect(writer.append(`${"x".repeat(50)}\n`)).toBe(false);
    clock.advance(10);
    await until(() => sink.bufferedBytes === 0 && readFileSync(path, "utf8") !== "");
    expect(parseLines(readFileSync(path, "utf8"))).toEqual([{ lost: 1 }]);
    expect(writer.append("{}\n")).toBe(true);
  });

  test("gives up a flush after its time", async () => {
    const clock = new FakeClock();
    const { sink, writer } = sinkTo("/dev/full", clock);
    writer.append("{}\n");
    const flushed = sink.flush(500);
    await until(() => sink.errors === 1);
    clock.advance(500);
    expect(await flushed).toBe(false);
  });

  test("does not wait for the reader of a named pipe, and writes to it once there is one", async () => {
    const clock = new FakeClock();
    const path = join(place(), "pipe");
    expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
    const { sink, writer } = sinkTo(path, clock);
    expect(sink.failure).toBe("ENXIO");
    writer.append("{}\n");
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    clock.advance(1000);
    await until(() => sink.bufferedBytes === 0);
    expect(sink.failure).toBeNull();
    closeSync(reader);
  });

  test("refuses a directory without a throw", () => {
    const { sink, writer } = sinkTo(place(), new FakeClock());
    expect(sink.failure).toBe("EISDIR");
    expect(writer.append("{}\n")).toBe(true);
    expect(sink.errors).toBe(1);
  });
});

describe("a process with the sink on its stdout", () => {
  const program = join(import.meta.dir, "sink-process.ts");

  test.each(["end", "exit"])("has written every line when it ends (%s)", async (mode) => {
    const child = Bun.spawn([process.execPath, program, mode], { stdout: "pipe", stderr: "inherit" });
    const records = parseLines(await new Response(child.stdout).text());
    expect(records.map((record) => record["n"])).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(await child.exited).toBe(0);
  });

  test("goes on answering while nobody reads 64 MB of lines, and accounts for every one of them", async () => {
    const pipe = join(place(), "stdout");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const stdout = openSync(pipe, constants.O_WRONLY);
    let answer: (message: unknown) => void = () => {};
    const child = Bun.spawn([process.execPath, program, "flood"], {
      stdout,
      stderr: "inherit",
      ipc: (message: unknown) => answer(message),
    });
    closeSync(stdout);

    async function ask(question: string): Promise<Record<string, unknown>> {
      const reply = new Promise<unknown>((resolve) => {
        answer = resolve;
      });
      child.send(question);
      const message = await reply;
      if (!isRecord(message)) throw new Error("no answer");
      return message;
    }

    let status = await ask("status");
    while (status["done"] !== true) status = await ask("status");
    expect(status["drops"]).toBeGreaterThan(0);
    expect(status["errors"]).toBe(0);
    expect(status["bufferedBytes"]).toBeLessThanOrEqual(8 * 1024 * 1024);

    const cat = Bun.spawn(["cat", pipe], { stdout: "pipe" });
    const output = new Response(cat.stdout).text();
    expect((await ask("finish"))["flushed"]).toBe(true);
    expect(await child.exited).toBe(0);
    const records = parseLines(await output);
    closeSync(reader);

    let expected = 0;
    for (const { n, lost } of records) {
      if (typeof lost === "number") expected += lost;
      else {
        expect(n).toBe(expected);
        expected += 1;
      }
    }
    expect(expected).toBe(65_536);
  }, 20_000);
});
