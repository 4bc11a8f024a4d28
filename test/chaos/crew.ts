import type { Subprocess } from "bun";
import { join } from "node:path";
import { type Order, parseReport, type Report } from "./orders.ts";

/** Longer than a process takes to start on a machine that is busy with many. */
const ORDER_WITHIN_MS = 60_000;

/** A process with clients, as the kit has it. */
export class Crew {
  readonly name: string;
  readonly #child: Subprocess;
  #answer: ((report: Report) => void) | null = null;

  /** `script`: the name of a file beside this one. */
  constructor(name: string, script: "publishers.ts" | "subscribers.ts") {
    this.name = name;
    this.#child = Bun.spawn([process.execPath, join(import.meta.dir, script)], {
      env: { PATH: process.env["PATH"] ?? "" },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      ipc: (message: unknown) => this.#settle(parseReport(message)),
      onExit: () => this.#settle({ done: "failed", reason: "the process ended" }),
    });
  }

  /** Throws when the order failed, or the process is gone. */
  async order<D extends Order["do"]>(order: Extract<Order, { do: D }>): Promise<Extract<Report, { done: D }>> {
    const report = await new Promise<Report>((resolve) => {
      const timer = setTimeout(() => this.#settle({ done: "failed", reason: "no answer in time" }), ORDER_WITHIN_MS);
      this.#answer = (answered) => {
        clearTimeout(timer);
        resolve(answered);
      };
      if (this.#child.exitCode !== null) this.#settle({ done: "failed", reason: "the process has ended" });
      else this.#child.send(order);
    });
    if (isAnswerTo(report, order.do)) return report;
    throw new Error(
      `${this.name}, ${order.do}: ${report.done === "failed" ? report.reason : "another order was answered"}`,
    );
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
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
