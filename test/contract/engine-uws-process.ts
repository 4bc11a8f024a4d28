import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Address, EngineOptions } from "../../src/engine/engine.ts";
import { engineUws } from "../support/engine-uws.ts";
import type { RunningEngine } from "./engine-server.ts";

const HOST = fileURLToPath(new URL("./engine-host.ts", import.meta.url));

interface Answer {
  readonly id: number;
  readonly address?: Address;
  readonly error?: string;
}

/** The process of `engine-host.ts`, on Node: the servers of the suite run there, one after the other. */
export class UwsProcess {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #directory: string;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #asked = 0;

  private constructor(directory: string, nodePath: string) {
    this.#directory = directory;
    this.#child = Bun.spawn([nodePath, join(directory, "engine-host.js")], {
      env: { ...process.env, ...engineUws.env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: Readable.fromWeb(this.#child.stdout) });
    lines.on("line", (line) => {
      const answer: Answer = JSON.parse(line);
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    lines.on("close", () => {
      for (const [id, settle] of this.#waiting) settle({ id, error: "the process has ended" });
    });
  }

  static async start(): Promise<UwsProcess> {
    const directory = mkdtempSync(join(tmpdir(), "tautline-"));
    await Bun.build({
      ...{ entrypoints: [HOST], outdir: directory, naming: "[name].js" },
      ...{ target: "node", format: "esm", external: ["uWebSockets.js"] },
    });
    await Bun.write(join(directory, "package.json"), '{"type":"module"}');
    return new UwsProcess(directory, engineUws.nodePath ?? "node");
  }

  async run(options: EngineOptions): Promise<RunningEngine> {
    const id = this.#asked++;
    const { address, error } = await this.#ask(id, { id, options });
    if (address === undefined) throw new Error(error);
    return { address, stop: async () => void (await this.#ask(id, { id })) };
  }

  async end(): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
    rmSync(this.#directory, { recursive: true });
  }

  #ask(id: number, command: object): Promise<Answer> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return Promise.resolve({ id, error: "the process has ended" });
    }
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      void this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    });
  }
}
