/** A client that runs as a program of its own: what it prints, line by line. */
export class ClientProgram {
  readonly #child: Bun.Subprocess;
  readonly lines: string[] = [];
  #changed = Promise.withResolvers<void>();
  #isOver = false;

  constructor(command: readonly string[], code: string) {
    const child = Bun.spawn([...command], { stdin: Buffer.from(code), stdout: "pipe", stderr: "inherit" });
    this.#child = child;
    void this.#read(child.stdout);
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
      if (this.#isOver) throw new Error(`the client ended without a line "${start}": ${this.lines.join(" | ")}`);
      await this.#changed.promise;
    }
  }

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}
