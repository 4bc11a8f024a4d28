import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { Answers } from "./answers.ts";
import { Inside, type Sample, sampleOf } from "./sample.ts";

const ROOT = join(import.meta.dir, "..", "..");
const START_DEADLINE_MS = 20_000;
const ANSWER_DEADLINE_MS = 60_000;
const POLL_MS = 20;
const URL_PATTERN = /http:\/\/127\.0\.0\.1:(\d+)/;

/**
 * Short times and low bounds, so that all of it comes to its bound and to its end many times. The limits are those that ship, but for the
 * bound on the node's own delay: it must turn nobody away because something else on the machine is busy.
 */
const SETTINGS = {
  NODE_ENV: "production",
  HOST: "127.0.0.1",
  PORT: "0",
  ACCOUNTS: "on",
  TRUSTED_PROXIES: "127.0.0.1",
  HISTORY_TTL_MS: "10000",
  MAX_HISTORY_BYTES: "16777216",
  HISTORY_BYTES: "131072",
  MAX_UNSENT_BYTES: "262144",
  PRESENCE_GRACE_MS: "1000",
  AUTH_DEADLINE_MS: "2000",
  PING_INTERVAL_MS: "5000",
  PONG_TIMEOUT_MS: "60000",
  OVERLOAD_DELAY_MS: "60000",
};

const Done = v.object({ aheadMs: v.number() });

/** The node that is soaked: a process of its own, as it ships. */
export class Subject {
  readonly port: number;
  readonly apiKey: string;
  readonly secret: string;
  readonly #metricsToken: string;
  readonly #child: Bun.Subprocess;
  readonly #directory: string;
  readonly #answers: Answers;
  /** By how much its clocks have been put forward. */
  aheadMs = 0;

  private constructor(parts: {
    port: number;
    env: SecretEnv;
    child: Bun.Subprocess;
    directory: string;
    answers: Answers;
  }) {
    this.port = parts.port;
    this.apiKey = parts.env.API_KEY;
    this.secret = parts.env.JWT_SECRET;
    this.#metricsToken = parts.env.METRICS_TOKEN;
    this.#child = parts.child;
    this.#directory = parts.directory;
    this.#answers = parts.answers;
  }

  static async start(): Promise<Subject> {
    const directory = mkdtempSync(join(tmpdir(), "tautline-soak-"));
    const env: SecretEnv = { JWT_SECRET: secret(), API_KEY: secret(), METRICS_TOKEN: secret() };
    const log = Bun.file(join(directory, "node.log"));
    const errors = Bun.file(join(directory, "node.err"));
    const answers = new Answers();
    const child = Bun.spawn(
      [process.execPath, "--preload", join(import.meta.dir, "inside.ts"), join(ROOT, "src", "main.ts")],
      {
        env: {
          PATH: process.env["PATH"] ?? "",
          ...SETTINGS,
          ...env,
          AUDIT_FILE: "/dev/null",
          DATABASE_URL: `sqlite://${join(directory, "accounts.db")}`,
          LOG_LEVEL: "info",
        },
        stdin: "ignore",
        stdout: log,
        stderr: errors,
        ipc: (message: unknown) => answers.give(message),
        onExit: () => answers.end(),
      },
    );
    process.on("exit", () => child.kill("SIGKILL"));
    const deadlineMs = performance.now() + START_DEADLINE_MS;
    for (;;) {
      const port = URL_PATTERN.exec(await log.text().catch(() => ""))?.[1];
      if (port !== undefined) return new Subject({ port: Number(port), env, child, directory, answers });
      if (child.exitCode !== null || performance.now() > deadlineMs) {
        throw new Error(`the node did not start: ${await errors.text()}`);
      }
      await Bun.sleep(POLL_MS);
    }
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it counts and holds, as text. */
  async metrics(): Promise<string> {
    const headers = { Authorization: `Bearer ${this.#metricsToken}` };
    // A connection that is kept for the next request would be one descriptor too many.
    const answer = await fetch(`http://127.0.0.1:${this.port}/metrics`, { headers, keepalive: false });
    if (!answer.ok) throw new Error(`/metrics was answered ${answer.status}`);
    return answer.text();
  }

  inside(collects: boolean): Promise<Inside> {
    return this.#order({ do: "measure", collects }, Inside);
  }

  async sample(atMs: number, collects: boolean): Promise<Sample> {
    const descriptors = readdirSync(`/proc/${this.#child.pid}/fd`).length;
    const inside = await this.inside(collects);
    return sampleOf(await this.metrics(), inside, descriptors, atMs);
  }

  /** Puts both clocks of the node forward: whatever ends within that time has ended. */
  async advance(byMs: number): Promise<void> {
    const { aheadMs } = await this.#order({ do: "advance", byMs }, Done);
    this.aheadMs = aheadMs;
  }

  /** Without compiled code and without pages that the allocator only keeps. */
  async shrink(): Promise<void> {
    await this.#order({ do: "shrink" }, Done);
  }

  /** Makes it hold so many bytes more, for ever: a soak has to find them. */
  async leak(bytes: number): Promise<void> {
    await this.#order({ do: "leak", bytes }, Done);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #order<S extends v.GenericSchema>(order: object, schema: S): Promise<v.InferOutput<S>> {
    const answer = this.#answers.next(ANSWER_DEADLINE_MS);
    this.#child.send(order);
    return v.parse(schema, await answer);
  }
}

interface SecretEnv {
  readonly JWT_SECRET: string;
  readonly API_KEY: string;
  readonly METRICS_TOKEN: string;
}

function secret(): string {
  return randomBytes(36).toString("base64url");
}
