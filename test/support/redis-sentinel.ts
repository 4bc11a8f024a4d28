import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { until } from "../auth/tokens.ts";
import { commandAt, freePort, REDIS, type TestRedis } from "./redis.ts";

/** Without a word from the master for so long it is down. */
const DOWN_AFTER_MS = 1_000;

const Address = v.tuple([v.string(), v.string()]);
const Replicas = v.array(v.array(v.string()));

interface SentinelOptions {
  readonly master: TestRedis;
  /** The name that the master has for Sentinels. */
  readonly name: string;
  /** As of `TestRedis.start`. */
  readonly starter?: readonly string[];
}

/** One Sentinel, which alone decides that a master is down, and promotes its replica. */
export class TestSentinel {
  readonly port: number;
  readonly name: string;
  readonly #child: Bun.Subprocess;
  readonly #directory: string;

  private constructor(port: number, name: string, child: Bun.Subprocess, directory: string) {
    this.port = port;
    this.name = name;
    this.#child = child;
    this.#directory = directory;
  }

  /** Resolves when it has found the replica of the master. */
  static async start({ master, name, starter = [] }: SentinelOptions): Promise<TestSentinel> {
    const directory = mkdtempSync(join(tmpdir(), "tautline-sentinel-"));
    const port = await freePort();
    const file = join(directory, "sentinel.conf");
    const lines = [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${directory}`,
      `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${name} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${name} 5000`,
    ];
    // It keeps what it finds out in its file.
    writeFileSync(file, `${lines.join("\n")}\n`);
    const child = Bun.spawn([...starter, REDIS.path ?? "redis-server", file, "--sentinel"], {
      stdout: "ignore",
      stderr: "ignore",
    });
    const sentinel = new TestSentinel(port, name, child, directory);
    while (!(await sentinel.#knowsReplica())) await Bun.sleep(100);
    return sentinel;
  }

  /** `BROKER_URL` of who asks it. */
  get url(): string {
    return `redis-sentinel://127.0.0.1:${this.port}/0#${this.name}`;
  }

  /** The port of whom it takes for the master. */
  async masterPort(): Promise<number> {
    const [, port] = v.parse(Address, await this.#ask("get-master-addr-by-name"));
    return Number(port);
  }

  /** Has it promote the replica, although nothing is wrong with the master. */
  async failOver(): Promise<void> {
    const before = await this.masterPort();
    await until(() =>
      this.#ask("failover").then(
        () => true,
        () => false,
      ),
    );
    await until(async () => (await this.masterPort()) !== before);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #knowsReplica(): Promise<boolean> {
    const replicas = await this.#ask("replicas").then(
      (answer) => v.safeParse(Replicas, answer),
      () => null,
    );
    if (replicas?.success !== true) return false;
    // `slave` until its first answer says that it is linked to the master.
    return replicas.output.some((fields) => fields[fields.indexOf("master-link-status") + 1] === "ok");
  }

  #ask(question: string): Promise<unknown> {
    return commandAt(this.port, ["SENTINEL", question, this.name]);
  }
}
