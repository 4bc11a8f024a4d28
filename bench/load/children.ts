/** The processes of a run: servers on the first core, generators on the second, all ended with the benchmark. */
import type { Subprocess } from "bun";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseReport, type Order, type Report } from "./orders.ts";

const START_DEADLINE_MS = 20_000;
const ORDER_DEADLINE_MS = 180_000;
const POLL_MS = 2;
const URL_PATTERN = /http:\/\/127\.0\.0\.1:(\d+)/;

const COLLECT = join(import.meta.dir, "collect.ts");

export const isPinned = Bun.which("taskset") !== null && cpus().length >= 2;

/** Logs, audit files and databases of the servers under test; removed with the process. */
export const scratch = mkdtempSync(join(tmpdir(), "tautline-bench-"));
const running = new Set<Subprocess>();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));

export function pinned(core: number, command: readonly string[]): string[] {
  return isPinned ? ["taskset", "-c", String(core), ...command] : [...command];
}

/** Ends with the benchmark at the latest. */
export function keep(child: Subprocess): void {
  running.add(child);
}

export async function kill(child: Subprocess): Promise<void> {
  child.kill("SIGKILL");
  await child.exited;
  running.delete(child);
}

export interface Server {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to its start line. */
  readonly readyMs: number;
  /** Lets the server collect its garbage, which it does as soon as it comes to it. */
  collect(): void;
  stop(): Promise<void>;
}

let started = 0;

/** A script, with what collects its garbage when it is told to. */
export function onBun(script: string): readonly string[] {
  return [process.execPath, "--preload", COLLECT, script];
}

/** The output goes to a file, as a service's does: a pipe would cost this process the CPU that is being measured. */
export async function startServer(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Server> {
  const log = Bun.file(join(scratch, `${++started}.log`));
  const errors = Bun.file(join(scratch, `${started}.err`));
  const startMs = performance.now();
  const child = Bun.spawn(pinned(0, command), {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdin: "ignore",
    stdout: log,
    stderr: errors,
  });
  running.add(child);
  for (;;) {
    const port = URL_PATTERN.exec(await log.text())?.[1];
    const readyMs = performance.now() - startMs;
    if (port !== undefined) {
      const collect = (): void => child.kill("SIGUSR2");
      return { pid: child.pid, port: Number(port), readyMs, collect, stop: () => kill(child) };
    }
    if (child.exitCode !== null || readyMs > START_DEADLINE_MS) {
      await kill(child);
      throw new Error(`${command.at(-1)} did not start:\n${(await errors.text()) || (await log.text())}`);
    }
    await Bun.sleep(POLL_MS);
  }
}

export class Generator {
  readonly #child: Subprocess;
  #answer: ((report: Report) => void) | null = null;

  constructor() {
    this.#child = Bun.spawn(pinned(1, [process.execPath, join(import.meta.dir, "generator.ts")]), {
      env: { PATH: process.env["PATH"] ?? "" },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      ipc: (message: unknown) => this.#settle(parseReport(message)),
      onExit: () => this.#settle({ done: "failed", reason: "the generator ended" }),
    });
    running.add(this.#child);
  }

  /** Throws what the generator found broken. */
  async order<D extends Order["do"]>(order: Extract<Order, { do: D }>): Promise<Extract<Report, { done: D }>> {
    const report = await new Promise<Report>((resolve) => {
      const timer = setTimeout(() => this.#settle({ done: "failed", reason: "no answer in time" }), ORDER_DEADLINE_MS);
      this.#answer = (answered) => {
        clearTimeout(timer);
        resolve(answered);
      };
      this.#child.send(order);
    });
    if (isAnswerTo(report, order.do)) return report;
    throw new Error(`${order.do}: ${report.done === "failed" ? report.reason : "another order was answered"}`);
  }

  stop(): Promise<void> {
    return kill(this.#child);
  }

  #settle(report: Report): void {
    const answer = this.#answer;
    this.#answer = null;
    answer?.(report);
  }
}

function isAnswerTo<D extends Order["do"]>(report: Report, order: D): report is Extract<Report, { done: D }> {
  return report.done === order;
}
