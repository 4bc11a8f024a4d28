import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { type Api, type ApiPorts, createApi } from "../../src/api/app.ts";
import type { Peer } from "../../src/api/route.ts";
import type { IssuedToken } from "../../src/api/login.ts";
import { type Account, type Accounts, openAccounts } from "../../src/auth/accounts.ts";
import type { PasswordOptions } from "../../src/auth/passwords.ts";
import { createOriginPolicy } from "../../src/auth/origin.ts";
import { findCredential } from "../../src/auth/sources.ts";
import { OneTimeTickets } from "../../src/auth/tickets.ts";
import { MemoryTickets } from "../../src/broker/memory-tickets.ts";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import { authenticatorWith } from "../auth/tokens.ts";
import { Addresses } from "../../src/hub/address.ts";
import { clearPermissions, setPermissions } from "../../src/hub/changed-permissions.ts";
import { revoke } from "../../src/hub/revocation.ts";
import type { ConnectionStats } from "../../src/hub/stats.ts";
import type { AuditEvent } from "../../src/observe/audit.ts";
import { FakeClock } from "../support/clock.ts";
import { HubRig } from "../support/hub.ts";

export const CHEAP: PasswordOptions = { cost: { memoryKiB: 64, iterations: 1 } };
export const SECRET = new TextEncoder().encode("the secret that the tests sign with");
export const NOW_MS = Date.UTC(2026, 0, 1);

async function issueToken(account: Account): Promise<IssuedToken> {
  const token = await new SignJWT({ username: account.username, role: account.role })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(account.id)
    .setExpirationTime("1h")
    .sign(SECRET);
  return { token, expiresInS: 3_600 };
}

const COUNTED = {
  active_connections: 0,
  unique_users: 0,
  connection_types: { general: 0, conversation: 0, web3: 0 },
};
const CONNECTIONS: ConnectionStats = {
  websocket_manager: COUNTED,
  authentication: { ...COUNTED, max_connections_per_user: 10 },
  security: { authenticated_connections: 0, unique_authenticated_users: 0, max_connections_per_user: 10 },
};

/** The API over a store in a directory of its own, and everything it told its ports. */
export class Rig {
  readonly clock = new FakeClock(NOW_MS);
  readonly audited: AuditEvent[] = [];
  readonly counted: string[] = [];
  readonly failures: { error: unknown; correlationId: string }[] = [];
  readonly store: Accounts;
  /** The hub that the routes give orders to. */
  readonly hubRig = new HubRig();
  readonly api: Api;
  readonly #directory: string;

  private constructor(directory: string, store: Accounts, ports: Partial<ApiPorts>) {
    this.#directory = directory;
    this.store = store;
    const { hub } = this.hubRig;
    this.api = createApi({
      accounts: { store, canRegister: true, issueToken },
      callers: {
        apiKey: null,
        authenticator: authenticatorWith({}, this.clock),
        access: compileAccess(DEFAULT_ACCESS),
        origins: createOriginPolicy(["https://app.example"]),
        findCredential: (view) => findCredential(view, { cookieName: "access_token", tokenInQuery: true }, true),
      },
      tickets: new OneTimeTickets(new MemoryTickets(this.clock), this.clock),
      revocation: { revoke: (order, actor) => revoke(hub, order, actor) },
      permissions: {
        set: (userId, change, actor) => setPermissions(hub, userId, change, actor),
        clear: (userId, actor) => clearPermissions(hub, userId, actor),
      },
      addresses: new Addresses({ trustedProxies: ["10.0.0.1"], forwardedHeader: "x-forwarded-for" }, () => {}),
      allowedOrigins: ["https://app.example"],
      metrics: { token: null, open: true, render: async () => "up 1\n", contentType: "text/plain; version=0.0.4" },
      readiness: () => ({ ready: true, reasons: [] }),
      stats: { connections: () => CONNECTIONS, rooms: () => ({ totalConnections: 0, totalRooms: 0, rooms: [] }) },
      clock: this.clock,
      audit: (event) => this.audited.push(event),
      logFailure: (error, correlationId) => this.failures.push({ error, correlationId }),
      countError: (code) => this.counted.push(code),
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

  fetch(path: string, init: RequestInit = {}, address = "192.0.2.1"): Promise<Response> {
    const peer: Peer = { address, holdOpen() {} };
    return this.api.fetch(new Request(`http://localhost${path}`, init), peer);
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
