import { createClient } from "@redis/client";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { keep, kill, pinned, scratch } from "../load/children.ts";

const START_DEADLINE_MS = 10_000;
const POLL_MS = 20;
/** What clients send themselves; every other command runs within a script. */
const SENT = /^(?:evalsha|eval|subscribe|unsubscribe|ping)$/;

/** How often each command ran, those in scripts included. */
export type CommandCounts = ReadonlyMap<string, number>;

/** A redis-server of the benchmark's own, on the core of the generator: it ends with the benchmark. */
export class RedisProcess {
  readonly pid: number;
  readonly url: string;
  readonly #child: Bun.Subprocess;
  readonly #client: Client;

  private constructor(child: Bun.Subprocess, url: string, client: Client) {
    this.#child = child;
    this.pid = child.pid;
    this.url = url;
    this.#client = client;
  }

  /** `options` as on its command line; without any nothing is written to disk. */
  static async start(options: readonly string[] = []): Promise<RedisProcess> {
    const program = Bun.which("redis-server");
    if (program === null) throw new Error("redis-server is not installed: install the package redis-server");
    const port = await freePort();
    const own = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction"];
    const command = [program, ...own, "--dir", mkdtempSync(join(scratch, "redis-")), ...options];
    const child = Bun.spawn(pinned(1, command), { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
    keep(child);
    const url = `redis://127.0.0.1:${port}`;
    return new RedisProcess(child, url, await connect(port));
  }

  async counts(): Promise<CommandCounts> {
    const info = await this.#client.info("commandstats");
    const lines = info.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm);
    return new Map([...lines].map(([, command = "", calls]) => [command, Number(calls)]));
  }

  /** What its data takes, as Redis counts it. */
  async usedBytes(): Promise<number> {
    const info = await this.#client.info("memory");
    return Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1]);
  }

  /** Everything in it is gone. */
  async clear(): Promise<void> {
    await this.#client.sendCommand(["FLUSHALL"]);
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    await kill(this.#child);
  }
}

export interface CommandsPer {
  /** All that ran, scripts and what runs in them. */
  readonly all: number;
  /** What was sent: each is one command of a client. */
  readonly sent: number;
  readonly byName: Readonly<Record<string, number>>;
}

/** Of what ran between two counts, what falls on each of so many; the counting itself is left out. */
export function commandsPer(before: CommandCounts, after: CommandCounts, times: number): CommandsPer {
  const byName: Record<string, number> = {};
  let all = 0;
  let sent = 0;
  for (const [name, count] of after) {
    const more = count - (before.get(name) ?? 0);
    if (more === 0 || name === "info") continue;
    byName[name] = more / times;
    all += more;
    if (SENT.test(name)) sent += more;
  }
  return { all: all / times, sent: sent / times, byName };
}

type Client = ReturnType<typeof newClient>;

function newClient(port: number) {
  return createClient({ socket: { host: "127.0.0.1", port, reconnectStrategy: false }, RESP: 2 });
}

async function connect(port: number): Promise<Client> {
  const deadlineMs = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const client = newClient(port);
    client.on("error", () => {});
    try {
      await client.connect();
      return client;
    } catch {
      if (performance.now() > deadlineMs) throw new Error("redis-server did not start");
      await Bun.sleep(POLL_MS);
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
