import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config.ts";
import type { RunningNode } from "../../src/node.ts";
import type { NodeParts } from "../../src/node-parts.ts";
import { startNode } from "../../src/node.ts";
import type { UpgradeRequest } from "./http.ts";
import { RawPeer } from "./peer.ts";
import type { UwsServer } from "./uws-process.ts";
import { samplesOf, sumOf } from "./samples.ts";
import { IS_UWS, onUws } from "./second-engine.ts";
import { HAS_SECOND_NODE, SecondNode, sharedBroker } from "./second-node.ts";

export const SECRET = "kR7vQ2xW9mB4nT6yL1pZ8cF3hJ5gD0sA";

/** A real node on a free port with its logs in a directory of its own, gone when the test is over. */
export class TestNode {
  readonly port: number;
  readonly url: string;
  readonly #running: RunningNode | UwsServer;
  readonly #directory: string;
  readonly #peers: RawPeer[] = [];
  readonly #second: SecondNode | null;
  #stopping: Promise<void> | null = null;

  private constructor(running: RunningNode | UwsServer, directory: string, second: SecondNode | null) {
    this.#running = running;
    this.#second = second;
    this.port = second?.port ?? running.address.port;
    this.url = second === null ? running.address.url : `http://127.0.0.1:${second.port}`;
    this.#directory = directory;
  }

  /** `settings` by their names in the environment; null leaves one unset. */
  static async start(
    settings: Record<string, string | null> = {},
    parts: Omit<NodeParts, "logTarget"> = {},
  ): Promise<TestNode> {
    const isPair = HAS_SECOND_NODE && !("BROKER_URL" in settings) && !("UNIX_SOCKET" in settings);
    const directory = mkdtempSync(join(tmpdir(), "tautline-"));
    const given = {
      NODE_ENV: "test",
      PORT: "0",
      NODE_ID: "node-1",
      JWT_SECRET: SECRET,
      ACCOUNTS: "off",
      AUDIT_FILE: join(directory, "audit.log"),
      DATABASE_URL: `sqlite://${join(directory, "accounts.db")}`,
      DRAIN_MS: "100",
      // A machine that stalls for a moment must not turn a test's handshakes away.
      OVERLOAD_DELAY_MS: "60000",
      ...(isPair && { BROKER_URL: await sharedBroker() }),
      ...settings,
    };
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(given)) if (value !== null) env[name] = value;
    if (IS_UWS) {
      const { nodeTimes = {}, ...others } = parts;
      if (Object.keys(others).length > 0) throw new Error("a node in another process has its own parts");
      return new TestNode(
        await onUws({ start: "node", env, nodeTimes, log: join(directory, "node.log") }),
        directory,
        null,
      );
    }
    const { config } = loadConfig(env, (path) => readFileSync(path, "utf8"));
    const running = await startNode(config, { ...parts, logTarget: join(directory, "node.log") });
    const second = isPair
      ? await SecondNode.start(
          { ...config, auditFile: given.AUDIT_FILE === null ? null : join(directory, "audit-2.log") },
          { ...parts, logTarget: join(directory, "node-2.log") },
          running.address.port,
        )
      : null;
    return new TestNode(running, directory, second);
  }

  /** The node itself, where it runs in this process. */
  get running(): RunningNode {
    if ("hub" in this.#running) return this.#running;
    throw new Error("the node is in another process");
  }

  /** Ends every connection in the steps of a planned restart; a second call joins the first. */
  drain(): Promise<void> {
    return this.#running.drain();
  }

  /** The same, until it has begun. */
  async beginDrain(): Promise<void> {
    if ("beginDrain" in this.#running) return this.#running.beginDrain();
    void this.#running.drain();
  }

  /** Ends the node; its logs stay until `stop`. */
  halt(): Promise<void> {
    return this.#running.stop();
  }

  /** A TCP connection to the node, ended with it. */
  async peer(): Promise<RawPeer> {
    const peer = await RawPeer.connect(this.port);
    this.#peers.push(peer);
    return peer;
  }

  /** A connection whose upgrade was answered 101. */
  async upgraded(request: UpgradeRequest): Promise<RawPeer> {
    const peer = await this.peer();
    const { status } = await peer.upgrade(request);
    if (status !== 101) throw new Error(`the upgrade was answered ${status}`);
    return peer;
  }

  /** A connection of a user on `/ws` that has been greeted. */
  async connect(userId: string, claims: Record<string, unknown> = {}): Promise<RawPeer> {
    const peer = await this.upgraded({ path: `/ws?token=${token({ sub: userId, username: userId, ...claims })}` });
    await peer.jsonOfType("connected");
    return peer;
  }

  /** The same, and it is a member of the room. */
  async member(userId: string, roomSlug: string): Promise<RawPeer> {
    const peer = await this.connect(userId);
    peer.text(JSON.stringify({ type: "join_room", roomSlug }));
    await peer.jsonOfType("room_joined");
    return peer;
  }

  /** A plain HTTP request over `fetch`. */
  http(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, init);
  }

  /** The samples of `/metrics`: name with labels → value; of two nodes their sums. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    if (this.#second === null) return samplesOf(await (await this.http("/metrics")).text());
    const ports = [this.#running.address.port, this.#second.ownPort];
    const texts = ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
    return sumOf((await Promise.all(texts)).map(samplesOf));
  }

  /** Waits until a sample of `/metrics` has the value; an absent one counts as 0. */
  async metricIs(name: string, isWanted: (value: number) => boolean, timeoutMs = 20_000): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const value = (await this.metrics()).get(name) ?? 0;
      if (isWanted(value)) return value;
      if (performance.now() > deadline) throw new Error(`${name} stayed at ${value}`);
      // Asked without a pause, a node that is busy has little time for anything else.
      await Bun.sleep(5);
    }
  }

  /** What the audit log holds once everything is written; of two nodes the records of the second behind those of the first. Ends the node. */
  async auditAfterStop(): Promise<Record<string, unknown>[]> {
    await this.#stopOnce();
    return linesOf(this.#written("audit.log", "audit-2.log"));
  }

  async logAfterStop(): Promise<Record<string, unknown>[]> {
    await this.#stopOnce();
    return linesOf(this.#written("node.log", "node-2.log"));
  }

  /** Whether the log has said it by now. */
  hasLogged(pattern: RegExp): boolean {
    return pattern.test(this.#written("node.log", "node-2.log"));
  }

  /** Everything that was logged or audited, as text. */
  async writtenAfterStop(): Promise<string> {
    await this.#stopOnce();
    return this.#written("node.log", "node-2.log", "audit.log", "audit-2.log");
  }

  async stop(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await this.#stopOnce();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #written(...names: readonly string[]): string {
    return names.map((name) => readOrEmpty(join(this.#directory, name))).join("");
  }

  /** A second stop would wait again for logs that cannot be written. */
  #stopOnce(): Promise<void> {
    this.#stopping ??= Promise.all([this.halt(), this.#second?.stop()]).then(() => undefined);
    return this.#stopping;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linesOf(text: string): Record<string, unknown>[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line));
}

/** An HS256 token, made without the library that the node checks it with. Valid for an hour unless the claims say otherwise. */
export function token(claims: Record<string, unknown> = {}, secret: string = SECRET): string {
  const nowS = Math.floor(Date.now() / 1_000);
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub: "u1", iat: nowS, exp: nowS + 3_600, ...claims })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
