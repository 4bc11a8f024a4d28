import { fileURLToPath } from "node:url";

/** One of `examples/` in a process of its own. */
export class ExampleProcess {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #lines: string[] = [];
  #changed = Promise.withResolvers<void>();
  #isOver = false;

  constructor(name: string, env: Record<string, string> = {}) {
    const path = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
    this.#child = Bun.spawn([process.execPath, path], {
      env: { PORT: "0", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    void this.#read(this.#child.stdout);
    // A full pipe would stop it.
    void new Response(this.#child.stderr).text();
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const chunk of output) {
      const parts = (rest + Buffer.from(chunk).toString()).split("\n");
      rest = parts.pop() ?? "";
      this.#lines.push(...parts);
      this.#wake();
    }
    this.#isOver = true;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** What stands behind the first line that begins like this. Rejects when the program ends without it. */
  async after(start: string): Promise<string> {
    for (;;) {
      const found = this.#lines.find((line) => line.startsWith(start));
      if (found !== undefined) return found.slice(start.length);
      if (this.#isOver) throw new Error(`the example ended without a line "${start}"`);
      await this.#changed.promise;
    }
  }

  async port(): Promise<number> {
    return Number(new URL(await this.after("listens on ")).port);
  }

  /** Asks it to stop; the exit status. */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    return this.#child.exited;
  }

  /** Ends it whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
