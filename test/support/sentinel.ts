import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../auth/tokens.ts";
import { commandAt, REDIS, TestRedis } from "./redis.ts";

const MASTER_NAME = "main";

/** A master, its replica, and one Sentinel that watches both: its word alone is enough. */
export class TestSentinel {
  readonly first: TestRedis;
  readonly second: TestRedis;
  readonly #port: number;
  readonly #directory: string;
  readonly #child: Bun.Subprocess;

  private constructor(first: TestRedis, second: TestRedis, starter: readonly string[]) {
    this.first = first;
    this.second = second;
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    this.#port = listener.port;
    listener.stop(true);
    this.#directory = mkdtempSync(join(tmpdir(), "tautline-sentinel-"));
    const file = join(this.#directory, "sentinel.conf");
    const settings = [
      ...[`port ${this.#port}`, "bind 127.0.0.1", `dir ${this.#directory}`],
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${first.port} 1`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
    ];
    writeFileSync(file, `${settings.join("\n")}\n`);
    const command = [...starter, REDIS.path ?? "redis-server", file, "--sentinel"];
    this.#child = Bun.spawn(command, { stdout: "ignore", stderr: "ignore" });
  }

  /** `options` and `starter` as of `TestRedis.start`. */
  static async start(options: readonly string[] = [], starter: readonly string[] = []): Promise<TestSentinel> {
    const first = await TestRedis.start([...options, "--repl-diskless-sync-delay", "0"], starter);
    const second = await TestRedis.start([...options, "--replicaof", "127.0.0.1", String(first.port)], starter);
    await until(async () => /master_link_status:up/.test(String(await second.command("INFO", "replication"))));
    const started = new TestSentinel(first, second, starter);
    await until(async () => /slaves=1/.test(String(await started.command("INFO", "sentinel").catch(() => ""))));
    return started;
  }

  get url(): string {
    return `redis-sentinel://127.0.0.1:${this.#port}#${MASTER_NAME}`;
  }

  /** The port of whom it takes for the master. */
  async masterPort(): Promise<number> {
    const answer = await this.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME);
    return Array.isArray(answer) ? Number(answer[1]) : 0;
  }

  /** Makes the replica the master, in good order. */
  async failover(): Promise<void> {
    await until(async () => {
      // It is refused until the Sentinel has looked at the replica.
      return (await this.command("SENTINEL", "FAILOVER", MASTER_NAME).catch(() => "")) === "OK";
    });
    // The Sentinel ends the connections to whoever it gives another role.
    const info = (): Promise<unknown> => this.second.command("INFO", "replication").catch(() => "");
    const isMaster = async (): Promise<boolean> => /role:master/.test(String(await info()));
    await until(isMaster).catch(() => until(isMaster));
  }

  /** One command to the Sentinel, on a connection of its own. */
  command(...args: string[]): Promise<unknown> {
    return commandAt(this.#port, args);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#directory, { recursive: true, force: true });
    await this.second.stop();
    await this.first.stop();
  }
}
