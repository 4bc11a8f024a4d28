import { expect } from "bun:test";
import { FakeClock } from "./clock.ts";
import type { UpgradeRequest } from "./http.ts";
import { TestNode, token } from "./node.ts";
import type { JsonObject, RawPeer } from "./peer.ts";

/** A node on a clock that stands still, people who use and abuse it, and the audit records that have to come of it. */

export type AuditRecord = Readonly<Record<string, unknown>>;

/** What happens, and the records that come of it. A new kind of event is a step more. */
export type Step = readonly [what: string, act: (stage: AuditStage) => Promise<readonly AuditRecord[]>];

/** The one page that may connect. */
export const APP = "https://app.example";

/** A step later. Longer than the second in which refusals of nobody in particular are merged. */
const STEP_MS = 1_500;
const AGENT = "stage/1";
const AGENT_HEADER = ["User-Agent", AGENT] as const;

interface Member {
  readonly peer: RawPeer;
  readonly userId: string;
  readonly connectionId: unknown;
  readonly openedMs: number;
}

export class AuditStage {
  readonly clock = new FakeClock();
  readonly #members = new Map<string, Member>();
  #node: TestNode | null = null;

  static async start(settings: Record<string, string>): Promise<AuditStage> {
    const stage = new AuditStage();
    stage.#node = await TestNode.start(
      // Short pings, since the node looks for tokens that have ended as often as that.
      { ACCOUNTS: "on", PING_INTERVAL_MS: "40", PONG_TIMEOUT_MS: "3600000", PRESENCE_GRACE_MS: "0", ...settings },
      { clock: stage.clock },
    );
    return stage;
  }

  get node(): TestNode {
    if (this.#node === null) throw new Error("the stage was not started");
    return this.#node;
  }

  /** Time passes: each step has a time of its own, which its records must have. */
  next(): void {
    this.clock.advance(STEP_MS);
  }

  /** Valid for an hour of the stage's clock. */
  token(sub: string, claims: Record<string, unknown> = {}, secret?: string): string {
    const nowS = Math.floor(this.clock.now() / 1_000);
    return token({ sub, username: sub, iat: nowS, exp: nowS + 3_600, ...claims }, secret);
  }

  /** One record, with every field that every record has. */
  record(event: string, level: string, code: string | number, rest: AuditRecord = {}): AuditRecord {
    return {
      ...{ time: new Date(this.clock.now()).toISOString(), event, level, userId: null, address: "127.0.0.1" },
      ...{ userAgent: null, connectionId: null, nodeId: "node-1" },
      ...{ result: level === "info" ? "ok" : "refused", code },
      ...rest,
    };
  }

  /** A record about the connection of that name. Its user agent is in the first one only. */
  of(name: string, event: string, level: string, code: string | number, rest: AuditRecord = {}): AuditRecord {
    const { userId, connectionId } = this.#member(name);
    return this.record(event, level, code, { userId, connectionId, ...rest });
  }

  /** A connection that is greeted, known from now on by a name. */
  async connect(name: string, userId: string, request: UpgradeRequest = {}): Promise<AuditRecord> {
    const path = request.path ?? `/ws?token=${this.token(userId)}`;
    const headers = [AGENT_HEADER, ...(request.headers ?? [])];
    const peer = await this.node.upgraded({ ...request, path, headers });
    return this.#greeted(name, userId, peer, await peer.json());
  }

  /** The same on `/`, by the first frame. */
  async authenticate(name: string, userId: string): Promise<AuditRecord> {
    const peer = await this.node.upgraded({ path: "/", headers: [AGENT_HEADER] });
    peer.send({ type: "auth", token: this.token(userId) });
    return this.#greeted(name, userId, peer, await peer.json());
  }

  #greeted(name: string, userId: string, peer: RawPeer, greeting: JsonObject): AuditRecord {
    const connectionId = greeting["connectionId"];
    this.#members.set(name, { peer, userId, connectionId, openedMs: this.clock.now() });
    return this.of(name, "connection.accepted", "info", "OK", { userAgent: AGENT });
  }

  /** An upgrade that is answered by a status. */
  async refused(status: number, request: UpgradeRequest, record: AuditRecord): Promise<AuditRecord> {
    const peer = await this.node.peer();
    const answer = await peer.upgrade({ path: "/ws", ...request, headers: [AGENT_HEADER, ...(request.headers ?? [])] });
    expect(answer.status).toBe(status);
    return { ...record, userAgent: AGENT };
  }

  /** A connection that is ended before it is greeted. Its id was told to nobody. */
  async ended(closeCode: number, frames: readonly string[], record: AuditRecord, path = "/"): Promise<AuditRecord> {
    const peer = await this.node.upgraded({ path, headers: [AGENT_HEADER] });
    for (const frame of frames) peer.text(frame);
    expect((await peer.closed()).code).toBe(closeCode);
    return { ...record, userAgent: AGENT, connectionId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-z]+$/) };
  }

  /** Sends a frame and waits for its answer of that type, and code if it is an error. */
  async say(name: string, frame: object, answer: string, code?: string): Promise<void> {
    const { peer } = this.#member(name);
    peer.send(frame);
    const told = await peer.jsonOfType(answer);
    if (code !== undefined) expect(told["code"]).toBe(code);
  }

  /** Ends a connection in some way, and waits until the node has noticed. */
  async leave(name: string, code: number, how: (peer: RawPeer) => unknown): Promise<AuditRecord> {
    const { peer, openedMs } = this.#member(name);
    const left = [...this.#members.values()].filter((member) => !member.peer.isEnded).length - 1;
    await how(peer);
    await peer.ended();
    await this.node.metricIs("tautline_connections", (count) => count === left);
    return this.of(name, "connection.closed", "info", code, { durationMs: this.clock.now() - openedMs });
  }

  /** An HTTP request, and what it is answered. */
  async http(status: number, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("User-Agent", AGENT);
    const response = await this.node.http(path, { ...init, headers });
    expect(response.status).toBe(status);
    return response;
  }

  post(status: number, path: string, body: object): Promise<Response> {
    const headers = { "Content-Type": "application/json" };
    return this.http(status, path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** A record about an HTTP request. */
  ofHttp(event: string, level: string, code: string, rest: AuditRecord = {}): AuditRecord {
    return this.record(event, level, code, { userAgent: AGENT, ...rest });
  }

  /** What an administrator has the node do. */
  order(method: "POST" | "PUT" | "DELETE", path: string, body?: object, status = 200): Promise<Response> {
    const jwt = this.token("root", { role: "admin" });
    const headers = { Authorization: `Bearer ${jwt}`, "Content-Type": "application/json" };
    return this.http(status, path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  }

  /** A record of what such an order did. */
  ofOrder(event: string, rest: AuditRecord): AuditRecord {
    return this.ofHttp(event, "high", "OK", { userId: "root", result: "ok", by: "token", ...rest });
  }

  /** The record that each of them has besides, refused ones too. */
  called(request: string, rest: AuditRecord = {}): AuditRecord {
    const [method, route] = request.split(" ");
    return this.ofHttp("api.called", "info", "OK", { userId: "root", by: "token", method, route, ...rest });
  }

  /** The same of one that was turned away. */
  refusedCall(request: string, code: string, rest: AuditRecord = {}): AuditRecord {
    const refused = { userId: null, by: "nobody", level: "warning", result: "refused", code };
    return this.called(request, { ...refused, ...rest });
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`nobody is called ${name}`);
    return member;
  }
}
