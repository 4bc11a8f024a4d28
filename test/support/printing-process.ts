/** A program of which a test reads what it prints, line by line. */
export class PrintingProcess {
  readonly #child: Bun.Subprocess;
  readonly lines: string[] = [];
  #changed = Promise.withResolvers<void>();
  #isOver = false;

  /** `input` is its standard input, all of it. */
  constructor(command: readonly string[], { env, input }: { env?: Record<string, string>; input?: string } = {}) {
    const child = Bun.spawn([...command], {
      ...(env !== undefined && { env }),
      stdin: input === undefined ? "ignore" : Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#child = child;
    void this.#read(child.stdout);
    // A full pipe would stop it.
    void new Response(child.stderr).text();
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of output) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
      this.#wake();
    }
    this.#isOver = true;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** The first line that begins like this. Rejects when the program ends without it. */
  async line(start: string): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => line.startsWith(start));
      if (found !== undefined) return found;
      if (this.#isOver) throw new Error(`the program ended without a line "${start}": ${this.lines.join(" | ")}`);
      await this.#changed.promise;
    }
  }

  /** Asks it to stop; the exit status. */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    return this.#child.exited;
  }

  /** `SIGSTOP` makes it stand still, `SIGCONT` go on. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends it whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
