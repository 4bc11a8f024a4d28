import { join } from "node:path";
import * as v from "valibot";
import { Answers } from "./answers.ts";
import { ChurnReport } from "./churn.ts";
import type { Subject } from "./subject.ts";

/** The last visitor waits for its answers for as long as this. */
const END_DEADLINE_MS = 300_000;

/** The process of the visitors, from the side of whoever sends them. */
export class Visitors {
  readonly #child: Bun.Subprocess;
  readonly #answers = new Answers();

  constructor({ port, secret, apiKey, aheadMs }: Subject, visitsPerSecond: number, seed: number) {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "churn.ts")], {
      env: { PATH: process.env["PATH"] ?? "" },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      ipc: (message: unknown) => this.#answers.give(message),
      onExit: () => this.#answers.end(),
    });
    process.on("exit", () => child.kill("SIGKILL"));
    child.send({ do: "churn", port, secret, apiKey, aheadMs, seed, visitsPerSecond });
    this.#child = child;
  }

  /** No more of them; all connections are closed when it settles. */
  async end(): Promise<v.InferOutput<typeof ChurnReport>> {
    const report = this.#answers.next(END_DEADLINE_MS);
    this.#child.send({ do: "end" });
    try {
      return v.parse(ChurnReport, await report);
    } finally {
      this.#child.kill("SIGKILL");
      await this.#child.exited;
    }
  }
}
