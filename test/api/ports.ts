import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { type Api, type ApiPorts, createApi } from "../../src/api/app.ts";
import type { Peer } from "../../src/api/route.ts";
import type { IssuedToken } from "../../src/api/login.ts";
import { type Account, type Accounts, openAccounts } from "../../src/auth/accounts.ts";
import type { PasswordOptions } from "../../src/auth/passwords.ts";
import type { AuditEvent } from "../../src/observe/audit.ts";
import { Answers } from "../support/answers.ts";
import { FakeClock } from "../support/clock.ts";
import { HubRig } from "../support/hub.ts";
import { callerPorts, defaultPorts } from "./default-ports.ts";

export const CHEAP: PasswordOptions = { cost: { memoryKiB: 64, iterations: 1 } };
export const SECRET = new TextEncoder().encode("the secret that the tests sign with");
export const NOW_MS = Date.UTC(2026, 0, 1);

const APP = "https://app.example";

const OTHER_PEER: Peer = { address: "192.0.2.200", holdOpen() {}, letGo() {} };

async function issueToken(account: Account): Promise<IssuedToken> {
  const token = await new SignJWT({ username: account.username, role: account.role })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(account.id)
    .setExpirationTime("1h")
    .sign(SECRET);
  return { token, expiresInS: 3_600 };
}

/** The API over a store in a directory of its own, and everything it told its ports. */
export class Rig {
  readonly clock = new FakeClock(NOW_MS);
  /** What the routes of the backend act on. */
  readonly hub = new HubRig();
  readonly calls: string[] = [];
  readonly audited: AuditEvent[] = [];
  readonly counted: string[] = [];
  readonly failures: { error: unknown; correlationId: string }[] = [];
  readonly store: Accounts;
  readonly api: Api;
  readonly #directory: string;

  private constructor(directory: string, store: Accounts, ports: Partial<ApiPorts>) {
    this.#directory = directory;
    this.store = store;
    this.api = createApi({
      ...defaultPorts(this.hub, this.clock),
      accounts: { store, canRegister: true, issueToken },
      callers: callerPorts(this.clock, { allowedOrigins: [APP] }),
      allowedOrigins: [APP],
      audit: (event) => this.audited.push(event),
      logFailure: (error, correlationId) => this.failures.push({ error, correlationId }),
      countError: (code) => this.counted.push(code),
      countCall: (route, result) => this.calls.push(`${route} ${result}`),
      ...ports,
    });
  }

  static async open(
    ports: (store: Accounts) => Partial<ApiPorts> = () => ({}),
    passwords: PasswordOptions = CHEAP,
  ): Promise<Rig> {
    const directory = mkdtempSync(join(tmpdir(), "tautline-api-"));
    const store = await openAccounts(join(directory, "tautline.db"), {
      clock: new FakeClock(NOW_MS),
      defaultRole: "user",
      passwords,
    });
    return new Rig(directory, store, ports(store));
  }

  /** The answer, held against the API's own OpenAPI document. */
  async fetch(path: string, init: RequestInit = {}, address = "192.0.2.1"): Promise<Response> {
    const peer: Peer = { address, holdOpen() {}, letGo() {} };
    const request = new Request(`http://localhost${path}`, init);
    const response = await this.api.fetch(request, peer);
    const answers = await this.answers();
    await answers.check(request.method, new URL(request.url).pathname, response);
    return response;
  }

  async answers(): Promise<Answers> {
    const document = await this.api.fetch(new Request("http://localhost/openapi.json"), OTHER_PEER);
    return Answers.of(await document.text());
  }

  post(path: string, body: unknown, address?: string): Promise<Response> {
    const headers = { "Content-Type": "application/json" };
    return this.fetch(path, { method: "POST", headers, body: JSON.stringify(body) }, address);
  }

  [Symbol.dispose](): void {
    this.store.close();
    rmSync(this.#directory, { recursive: true });
  }
}

export { issueToken };
