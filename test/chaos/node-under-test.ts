import type { Subprocess } from "bun";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SECRET } from "./token.ts";
import { NODE_SETTINGS, type World } from "./world.ts";

export const API_KEY = "chaos-kit-api-key-0123456789";
const METRICS_TOKEN = "chaos-kit-metrics-token";

const ROOT = join(import.meta.dir, "../..");
const PROGRAMS = { "main.ts": "src/main.ts", "poisoned-node.ts": "test/chaos/poisoned-node.ts" } as const;
const START_WITHIN_MS = 60_000;
const END_WITHIN_MS = 30_000;
const ANSWER_WITHIN_MS = 30_000;
const POLL_MS = 10;

export interface Exit {
  readonly atMs: number;
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly wasKilled: boolean;
  /** Whether the kit has asked for it. */
  readonly wasAsked: boolean;
}

export interface NodeOptions {
  readonly name: string;
  /** For its logs. */
  readonly directory: string;
  readonly world: World;
  /** Its own, over those of the world. */
  readonly settings: Readonly<Record<string, string>>;
  /** Modules that are loaded before it, by their paths below this folder. */
  readonly preloads: readonly string[];
  readonly endsAfterMs: number;
}

/** A node as a process, and the supervisor that starts it again, always on the port that it had first. */
export class NodeUnderTest {
  readonly exits: Exit[] = [];
  readonly #options: NodeOptions;
  #child: Subprocess | null = null;
  #ended: Promise<Exit> | null = null;
  #starts = 0;
  #isAsked = false;
  port = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { name, directory } = this.#options;
    this.#starts += 1;
    this.#isAsked = false;
    const log = join(directory, `${name}.${this.#starts}.log`);
    const child = Bun.spawn(this.#command(), {
      env: this.#environment(),
      stdin: "ignore",
      stdout: Bun.file(log),
      stderr: Bun.file(`${log}.err`),
      ipc: () => {},
    });
    this.#child = child;
    this.#ended = child.exited.then(() => this.#noteExit(child));
    this.port = await this.#portIn(log, child);
  }

  /** Has the process do the thing that no signal does. */
  stallLoop(stallMs: number): void {
    this.#child?.send({ stallMs });
  }

  /** `isEnd`: it is to end, so its end is no surprise. */
  signal(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT", isEnd = false): void {
    if (isEnd) this.#isAsked = true;
    this.#child?.kill(signal);
  }

  /** Resolves when the process has ended. Rejects when it does not. */
  async ended(): Promise<Exit> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`${this.#options.name} did not end`)), END_WITHIN_MS);
    if (this.#ended === null) throw new Error(`${this.#options.name} was never started`);
    return Promise.race([this.#ended, late.promise]).finally(() => clearTimeout(timer));
  }

  async kill(): Promise<void> {
    if (this.#child === null) return;
    this.signal("SIGKILL", true);
    await this.#child.exited;
  }

  /** POST with a body, GET without one. */
  http(path: string, body?: object): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, {
      headers: {
        Authorization: `Bearer ${path === "/metrics" ? METRICS_TOKEN : API_KEY}`,
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
  }

  /** The samples of `/metrics`: name with labels → value. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await this.http("/metrics")).text();
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
    );
  }

  /** What all of its processes wrote to standard output, which is its log. */
  output(): string {
    return this.#written("log");
  }

  errorOutput(): string {
    return this.#written("log.err");
  }

  #written(ending: string): string {
    const { name, directory } = this.#options;
    const read = (nth: number): string => readFileSync(join(directory, `${name}.${nth}.${ending}`), "utf8");
    return Array.from({ length: this.#starts }, (_, index) => read(index + 1)).join("");
  }

  #command(): string[] {
    const { preloads, world } = this.#options;
    const modules = ["preload/hooks.ts", ...preloads].flatMap((path) => ["--preload", join(import.meta.dir, path)]);
    const command = [process.execPath, ...modules, join(ROOT, PROGRAMS[world.program])];
    if (world.maxDescriptors === null) return command;
    // Bun raises the soft limit to the hard one by itself.
    return ["sh", "-c", `ulimit -n ${world.maxDescriptors}; exec "$@"`, "sh", ...command];
  }

  #environment(): Record<string, string> {
    const { name, directory, world, settings, endsAfterMs } = this.#options;
    return {
      ...{ PATH: process.env["PATH"] ?? "", CHAOS_ENDS_AFTER_MS: String(endsAfterMs) },
      ...{ NODE_ENV: "test", HOST: "127.0.0.1", PORT: String(this.port), NODE_ID: name },
      ...{ JWT_SECRET: SECRET, ACCOUNTS: "off", API_KEY, METRICS_TOKEN },
      AUDIT_FILE: join(directory, `${name}.audit.log`),
      ...NODE_SETTINGS,
      ...world.settings,
      ...settings,
    };
  }

  #noteExit(child: Subprocess): Exit {
    const { exitCode, signalCode } = child;
    const exit = {
      ...{ atMs: Date.now(), code: exitCode, wasKilled: signalCode !== null },
      wasAsked: this.#isAsked,
    };
    this.exits.push(exit);
    return exit;
  }

  async #portIn(log: string, child: Subprocess): Promise<number> {
    const startMs = performance.now();
    for (;;) {
      const port = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(await Bun.file(log).text())?.[1];
      if (port !== undefined) return Number(port);
      if (child.exitCode !== null || performance.now() - startMs > START_WITHIN_MS)
        throw new Error(`${this.#options.name} did not start:\n${await Bun.file(`${log}.err`).text()}`);
      await Bun.sleep(POLL_MS);
    }
  }
}
