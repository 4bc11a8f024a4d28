import { createClient } from "@redis/client";
import { globSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "./programs.ts";
import { until } from "../auth/tokens.ts";

export const REDIS = program("redis-server", "redis-server");

/** A starter of servers that are to end with this process, however it ends. */
export const ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL"];

/** A redis-server of its own on a free port, which a test may kill, stop, fill and start again. */
export class TestRedis {
  readonly port: number;
  readonly #directory: string;
  readonly #options: readonly string[];
  readonly #starter: readonly string[];
  #child: Bun.Subprocess | null = null;

  private constructor(port: number, directory: string, options: readonly string[], starter: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#options = options;
    this.#starter = starter;
  }

  /**
   * `options` as on the command line: `["--appendonly", "yes"]`. Without any, nothing is written to disk. `starter` is a command that runs what is
   * behind it.
   */
  static async start(options: readonly string[] = [], starter: readonly string[] = []): Promise<TestRedis> {
    const directory = mkdtempSync(join(tmpdir(), "tautline-redis-"));
    const redis = new TestRedis(await freePort(), directory, options, starter);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** After `kill`: again on the same port, with what is on disk. */
  async start(): Promise<void> {
    const own = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#directory, "--save", ""];
    this.#child = Bun.spawn(
      [...this.#starter, REDIS.path ?? "redis-server", ...own, "--maxmemory-policy", "noeviction", ...this.#options],
      {
        stdout: "ignore",
        stderr: "ignore",
      },
    );
    await until(() =>
      this.command("PING").then(
        (answer) => answer === "PONG",
        () => false,
      ),
    );
  }

  /** As a crash: nothing is said to anybody. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.exited;
    this.#child = null;
  }

  /** After `kill`, with `--appendonly yes`: the end of its file is gone too, as behind a machine that crashed. */
  loseBytes(count: number): void {
    const [file] = globSync(join(this.#directory, "appendonlydir", "*.incr.aof"));
    if (file === undefined) throw new Error("no file that is appended to");
    truncateSync(file, statSync(file).size - count);
  }

  /** It keeps its connections and answers nothing. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** One command on a connection of its own. */
  command(...args: string[]): Promise<unknown> {
    return commandAt(this.port, args);
  }

  async stop(): Promise<void> {
    this.resume();
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** To whatever speaks like Redis there. */
export async function commandAt(port: number, args: readonly string[]): Promise<unknown> {
  const socket = { host: "127.0.0.1", port, reconnectStrategy: false } as const;
  const client = createClient({ socket, RESP: 2, disableClientInfo: true });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
