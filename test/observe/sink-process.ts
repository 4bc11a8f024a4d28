import { systemClock } from "../../src/observe/clock.ts";
import { createSink } from "../../src/observe/sink.ts";

// A process of its own, because its stdout is what is tested. First argument: what it does.

const LINES = 65_536;
const FILLER = "x".repeat(1000);
const SLICE = 512;

const sink = createSink({ target: 1, clock: systemClock });
const writer = sink.writer((lost) => `${JSON.stringify({ lost })}\n`);
let written = 0;

function line(): string {
  const text = `${JSON.stringify({ n: written, FILLER })}\n`;
  written += 1;
  return text;
}

function status(): object {
  const { drops, errors, bufferedBytes } = sink;
  return { written, drops, errors, bufferedBytes, done: written >= LINES };
}

async function finish(): Promise<void> {
  const flushed = await sink.flush(20_000);
  process.send?.({ ...status(), flushed });
  process.disconnect?.();
  process.exit(0);
}

function flood(): void {
  for (let i = 0; i < SLICE; i += 1) writer.append(line());
  if (written < LINES) setImmediate(flood);
}

const modes: Record<string, () => void> = {
  flood() {
    process.on("message", (message) => {
      if (message === "finish") void finish();
      else process.send?.(status());
    });
    flood();
  },
  /** Ends by itself, without a flush. */
  end() {
    for (let i = 0; i < 1000; i += 1) writer.append(line());
  },
  exit() {
    for (let i = 0; i < 1000; i += 1) writer.append(line());
    void sink.flush(10_000).then(() => process.exit(0));
  },
};

modes[process.argv[2] ?? ""]?.();
