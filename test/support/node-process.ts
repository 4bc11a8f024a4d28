import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { engineUws } from "./engine-uws.ts";
import { SECRET } from "./node.ts";
import { IS_UWS } from "./second-engine.ts";
import { uwsBuildIn } from "./uws-build.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The program of the process, and what its environment needs for it. */
function program(): { readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const built = process.env["UWS_BUILD"];
  if (!IS_UWS || built === undefined) return { command: [process.execPath, MAIN], env: {} };
  return { command: [engineUws.nodePath ?? "node", uwsBuildIn(built).main], env: engineUws.env };
}

/** What the system grants it at most. */
export interface ProcessLimits {
  /** File descriptors, soft and hard: Bun raises the one to the other. */
  readonly descriptors?: number;
  /** The size of a file that it writes, in units of 512 bytes; `liftFileLimit` lifts it. */
  readonly fileBlocks?: number;
}

/** A node in a process of its own, whose memory is not the test's. */
export class NodeProcess {
  readonly port: number;
  readonly #child: Bun.Subprocess;
  readonly #directory: string;

  private constructor(child: Bun.Subprocess, port: number, directory: string) {
    this.#child = child;
    this.port = port;
    this.#directory = directory;
  }

  static async start(
    settings: Record<string, string> = {},
    { descriptors, fileBlocks }: ProcessLimits = {},
  ): Promise<NodeProcess> {
    const directory = mkdtempSync(join(tmpdir(), "tautline-"));
    const own = { NODE_ENV: "test", HOST: "127.0.0.1", PORT: "0", JWT_SECRET: SECRET, ACCOUNTS: "off" };
    const limits = [
      ...(descriptors === undefined ? [] : [`ulimit -n ${descriptors};`]),
      ...(fileBlocks === undefined ? [] : [`ulimit -S -f ${fileBlocks};`]),
    ];
    const { command, env } = program();
    const child = Bun.spawn(["sh", "-c", `${limits.join(" ")} exec "$0" "$@"`, ...command], {
      env: { ...env, ...own, AUDIT_FILE: join(directory, "audit.log"), OVERLOAD_DELAY_MS: "60000", ...settings },
      stdout: "pipe",
      stderr: "ignore",
    });
    return new NodeProcess(child, await portIn(child.stdout), directory);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The memory that it holds now. */
  get residentBytes(): number {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"))?.[1];
    return Number(kibibytes) * 1_024;
  }

  /** As every user of the machine sees it. */
  get commandLine(): string {
    return readFileSync(`/proc/${this.#child.pid}/cmdline`, "utf8").replaceAll("\0", " ");
  }

  /** It keeps its connections and does nothing. */
  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  get openDescriptors(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length;
  }

  /** How long the thread of its event loop has run, and how long it was ready to, until now (/proc/[pid]/schedstat). */
  get loopTimes(): { readonly ranMs: number; readonly waitedMs: number } {
    const [ranNs, waitedNs] = readFileSync(`/proc/${this.#child.pid}/schedstat`, "utf8").split(" ");
    return { ranMs: Number(ranNs) / 1e6, waitedMs: Number(waitedNs) / 1e6 };
  }

  liftFileLimit(): void {
    const { exitCode } = Bun.spawnSync(["prlimit", `--pid=${this.#child.pid}`, "--fsize=unlimited"]);
    if (exitCode !== 0) throw new Error("the limit was not lifted");
  }

  /** `SIGSTOP` makes it stand still, `SIGCONT` go on. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** The port of the start line. What comes behind it is read on, for a full pipe would stop the node. */
function portIn(output: ReadableStream<Uint8Array>): Promise<number> {
  const port = Promise.withResolvers<number>();
  const read = async (): Promise<void> => {
    let said = "";
    for await (const chunk of output) {
      if (said.length < 10_000) said += Buffer.from(chunk).toString();
      const found = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (found !== undefined) port.resolve(Number(found));
    }
    port.reject(new Error("the node ended before it listened"));
  };
  void read().catch(port.reject);
  return port.promise;
}
