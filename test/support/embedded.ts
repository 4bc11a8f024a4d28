import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server, type ServerOptions } from "../../src/index.ts";
import type { UpgradeRequest } from "./http.ts";
import type { JsonObject } from "./peer.ts";
import { RawPeer } from "./peer.ts";

/** A server inside of the test's own process, as an application starts it, with its log in a directory of its own. */
export class Embedded {
  readonly server: Server;
  readonly #directory: string;
  readonly #peers: RawPeer[] = [];

  private constructor(server: Server, directory: string) {
    this.server = server;
    this.#directory = directory;
  }

  static async start<Data = unknown>(options: ServerOptions<Data>): Promise<Embedded> {
    const directory = mkdtempSync(join(tmpdir(), "tautline-"));
    const quick = { drainMs: 100, overloadDelayMs: 60_000, logTarget: join(directory, "server.log") };
    return new Embedded(await createServer<Data>({ ...quick, ...options }).listen(0), directory);
  }

  get port(): number {
    return this.server.address.port;
  }

  async peer(): Promise<RawPeer> {
    const peer = await RawPeer.connect(this.port, "127.0.0.1", { conforms: "but-own" });
    this.#peers.push(peer);
    return peer;
  }

  async upgrade(request: UpgradeRequest): Promise<{ peer: RawPeer; status: number; body: JsonObject }> {
    const peer = await this.peer();
    const { status, body } = await peer.upgrade(request);
    return { peer, status, body: status === 101 ? {} : JSON.parse(body) };
  }

  /** A connection on `/ws` with that token, greeted. */
  async connect(token: string): Promise<RawPeer> {
    const { peer, status } = await this.upgrade({ path: `/ws?token=${token}` });
    if (status !== 101) throw new Error(`the upgrade was answered ${status}`);
    await peer.jsonOfType("connected");
    return peer;
  }

  http(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.server.address.url + path, init);
  }

  /** What was logged, once everything is written. Ends the server. */
  async logAfterStop(): Promise<JsonObject[]> {
    await this.server.stop({ graceMs: 0 });
    const lines = readFileSync(join(this.#directory, "server.log"), "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  async stop(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await this.server.stop({ graceMs: 0 });
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Servers of one file, ended together. */
export class EmbeddedServers {
  readonly #started: Embedded[] = [];

  async start<Data = unknown>(options: ServerOptions<Data>): Promise<Embedded> {
    const started = await Embedded.start(options);
    this.#started.push(started);
    return started;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((server) => server.stop()));
  }
}
