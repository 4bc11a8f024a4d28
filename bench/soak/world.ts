import { createHmac } from "node:crypto";
import type { Random } from "./random.ts";

export interface WorldOptions {
  readonly port: number;
  readonly secret: string;
  readonly apiKey: string;
  /** By how much the node's clocks are ahead. */
  readonly aheadMs: number;
}

/** Different texts of what went wrong that are kept. */
const MAX_UNEXPECTED = 50;
const HEADER = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");
const TOKEN_LIFE_S = 120;

/** What all visitors share: where the node is, names that nobody had before, and what went otherwise than it should have. */
export class World {
  readonly random: Random;
  readonly #options: WorldOptions;
  #serial = 0;
  #unexpected = new Map<string, number>();

  constructor(options: WorldOptions, random: Random) {
    this.#options = options;
    this.random = random;
  }

  get port(): number {
    return this.#options.port;
  }

  get nowMs(): number {
    return Date.now() + this.#options.aheadMs;
  }

  /** A name that nobody had before in this run. */
  fresh(kind: string): string {
    this.#serial += 1;
    return `${kind}${this.#options.aheadMs.toString(36)}-${this.#serial.toString(36)}`;
  }

  /** One of a few rooms, in which many meet. */
  busyRoom(): string {
    return `busy-${this.random.below(20)}`;
  }

  /** A client's address, one of 65,536: the node believes it, since it trusts this machine as a proxy. */
  address(): string {
    return `203.0.${this.random.below(256)}.${this.random.below(256)}`;
  }

  /** An HS256 token of two minutes. */
  token(sub: string, claims: Readonly<Record<string, unknown>> = {}): string {
    const nowS = Math.floor(this.nowMs / 1_000);
    const all = { sub, username: sub, iat: nowS, exp: nowS + TOKEN_LIFE_S, jti: `t-${sub}`, ...claims };
    const signed = `${HEADER}.${Buffer.from(JSON.stringify(all)).toString("base64url")}`;
    return `${signed}.${createHmac("sha256", this.#options.secret).update(signed).digest("base64url")}`;
  }

  /** A pause of up to so long. */
  pause(mostMs: number): Promise<void> {
    return Bun.sleep(this.random.below(mostMs));
  }

  /** A call of the backend. Throws when it is not answered with the status. */
  async backend(method: string, path: string, body?: object, status = 200): Promise<unknown> {
    const isStream = body instanceof ReadableStream;
    return this.http(path, {
      ...{ method, status },
      headers: {
        "X-API-Key": this.#options.apiKey,
        "Content-Type": isStream ? "application/x-ndjson" : "application/json",
      },
      body: isStream ? body : body === undefined ? null : JSON.stringify(body),
    });
  }

  async http(
    path: string,
    options: { method: string; status: number; headers: Record<string, string>; body: string | ReadableStream | null },
  ): Promise<unknown> {
    const { method, headers, body } = options;
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      // A connection that the node closes as unused just when it is used again would be no fault of the node.
      ...{ method, body, keepalive: false },
      headers: { "X-Forwarded-For": this.address(), ...headers },
    });
    const text = await answer.text();
    if (answer.status !== options.status) throw new Error(`${method} ${routeOf(path)} was answered ${answer.status}`);
    return text.startsWith("{") ? JSON.parse(text) : text;
  }

  /** Something went otherwise than it should have. */
  note(visit: string, error: unknown): void {
    const text = `${visit}: ${error instanceof Error ? error.message : "failed"}`;
    const count = this.#unexpected.get(text);
    if (count === undefined && this.#unexpected.size >= MAX_UNEXPECTED) return;
    this.#unexpected.set(text, (count ?? 0) + 1);
  }

  get unexpected(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#unexpected);
  }
}

/** Without what is another one each time. */
function routeOf(path: string): string {
  return path.replace(/\?.*$/, "").replaceAll(/[a-z]+[0-9a-z]*-[0-9a-z]+/g, "…");
}
