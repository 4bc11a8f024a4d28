import type { FileSink } from "bun";

/** A program that a test types lines into, and whose output and complaints it reads line by line. */
export class TerminalProcess {
  /** What it printed, and what it said on standard error. */
  readonly printed: string[] = [];
  readonly said: string[] = [];
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  #changed = Promise.withResolvers<void>();
  #isOver = false;

  constructor(command: readonly string[], env: Record<string, string>) {
    this.#child = Bun.spawn([...command], { env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    void this.#readAll();
  }

  type(...lines: readonly string[]): void {
    const input: FileSink = this.#child.stdin;
    for (const line of lines) void input.write(`${line}\n`);
    void input.flush();
  }

  /** Nothing more is typed (Ctrl+D). */
  endInput(): void {
    void this.#child.stdin.end();
  }

  /** Rejects when the program ends, or 20 s are over, before that holds. */
  async until(holds: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + 20_000;
    while (!holds()) {
      const isLate = performance.now() > deadlineMs;
      if (this.#isOver || isLate) throw new Error([...this.said, ...this.printed].join("\n"));
      await Promise.race([this.#changed.promise, Bun.sleep(1_000)]);
    }
  }

  /** How many of the lines on standard error begin like this. */
  count(start: string): number {
    return this.said.filter((line) => line.startsWith(start)).length;
  }

  /** How many times it printed exactly this. */
  timesPrinted(line: string): number {
    return this.printed.filter((printed) => printed === line).length;
  }

  /** Ctrl+C; the exit status. */
  async interrupt(): Promise<number> {
    this.#child.kill("SIGINT");
    return this.#child.exited;
  }

  async ended(): Promise<number> {
    return this.#child.exited;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async #readAll(): Promise<void> {
    await Promise.all([this.#read(this.#child.stdout, this.printed), this.#read(this.#child.stderr, this.said)]);
    this.#isOver = true;
    this.#wake();
  }

  async #read(output: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of output) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      this.#wake();
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
