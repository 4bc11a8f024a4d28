import { connect, type Socket } from "node:net";
import { once } from "node:events";
import type { TestRedis } from "./redis.ts";

export interface Seen {
  /** In upper case, with its subcommand: `SCRIPT|LOAD`. */
  readonly command: string;
  /** The keys and channels that it names. */
  readonly names: readonly string[];
}

/** Commands that are about no key or channel. */
const NAMELESS: ReadonlySet<string> = new Set(["AUTH", "HELLO", "INFO", "PING", "SCRIPT|LOAD", "SELECT", "TIME"]);
const OF_CHANNELS: ReadonlySet<string> = new Set(["SUBSCRIBE", "UNSUBSCRIBE"]);

/** Every command that a Redis carries out, those inside of scripts too: `MONITOR`. */
export class RedisMonitor {
  readonly #socket: Socket;
  #text = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => (this.#text += text));
  }

  static async start(redis: TestRedis): Promise<RedisMonitor> {
    const monitor = new RedisMonitor(connect({ host: "127.0.0.1", port: redis.port }));
    monitor.#socket.write("MONITOR\r\n");
    while (!monitor.#text.includes("+OK\r\n")) await once(monitor.#socket, "data");
    return monitor;
  }

  /** What came until now. */
  async stop(): Promise<readonly Seen[]> {
    // Its own command comes last.
    this.#socket.write("PING monitor-end\r\n");
    while (!this.#text.includes("monitor-end")) await once(this.#socket, "data");
    this.#socket.destroy();
    const lines = this.#text.split("\r\n").filter((line) => /^\+\d+\.\d+ \[/.test(line));
    return lines.map((line) => seenIn([...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, arg = ""]) => arg)));
  }
}

function seenIn([name = "", ...args]: readonly string[]): Seen {
  const plain = name.toUpperCase();
  const command = plain === "SCRIPT" ? `SCRIPT|${(args[0] ?? "").toUpperCase()}` : plain;
  return { command, names: namesIn(command, args) };
}

function namesIn(command: string, args: readonly string[]): readonly string[] {
  if (NAMELESS.has(command)) return [];
  if (command === "EVAL" || command === "EVALSHA") return args.slice(2, 2 + Number(args[1]));
  return OF_CHANNELS.has(command) || command === "DEL" ? args : args.slice(0, 1);
}
