import type { Authenticator } from "../auth/authenticate.ts";
import type { OriginPolicy } from "../auth/origin.ts";
import { type Credential, findCredential, type SourceOptions } from "../auth/sources.ts";
import { errorResponse } from "../api/errors.ts";
import type { Addresses, ClientAddress } from "../hub/address.ts";
import { asProtocolError } from "../hub/errors.ts";
import { HandshakeLimit } from "../hub/handshake-limit.ts";
import type { Rate } from "../hub/limits.ts";
import { TurnedAway } from "../hub/reconnects.ts";
import type { Audit } from "../observe/audit.ts";
import type { Clock } from "../observe/clock.ts";
import { ERRORS, ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import { AuthSession } from "./auth-session.ts";

/** What a framework knows of an upgrade request: the context of Elysia fits, and so does `{ request, server }` of Bun. */
export interface UpgradeContext {
  readonly request: Request;
  /** Tells the peer's address. Without it there are no limits by address. */
  readonly server?: { requestIP(request: Request): { readonly address: string } | null } | null | undefined;
  /** Headers of the answer: the subprotocol `auth` is set here when it carried the token. */
  readonly set?: { readonly headers: object } | undefined;
}

export interface UpgradeOptions {
  readonly sources: SourceOptions;
  readonly handshakes: Rate;
  readonly messages: Rate;
}

export interface UpgradePorts {
  readonly addresses: Addresses;
  readonly origins: OriginPolicy;
  readonly authenticator: Authenticator;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
}

/** Decides the upgrade requests of an application that has a WebSocket server of its own. */
export class UpgradeAuth {
  readonly #options: UpgradeOptions;
  readonly #ports: UpgradePorts;
  readonly #limit: HandshakeLimit;
  readonly #turnedAway: TurnedAway;
  /** A session lives as long as its request, which the connection's data holds. */
  readonly #sessions = new WeakMap<Request, AuthSession>();
  #sweptMs: number;

  constructor(options: UpgradeOptions, ports: UpgradePorts) {
    this.#options = options;
    this.#ports = ports;
    this.#limit = new HandshakeLimit(options.handshakes);
    this.#turnedAway = new TurnedAway(ports.clock);
    this.#sweptMs = ports.clock.monotonic();
  }

  sessionOf(request: Request): AuthSession | undefined {
    return this.#sessions.get(request);
  }

  /** An answer instead of the upgrade, or undefined when it may go on. Asked again about the same request it says the same. */
  async decide({ request, server, set }: UpgradeContext): Promise<Response | undefined> {
    if (this.#sessions.has(request)) return undefined;
    const { clock, addresses, audit, report } = this.#ports;
    this.#sweep();
    const client = addresses.find(server?.requestIP(request)?.address ?? "", (name) => request.headers.get(name));
    const about = { address: client.address, userAgent: request.headers.get("user-agent"), userId: null };
    try {
      const { credential, principal } = await this.#authenticate(request, client);
      const session = new AuthSession(principal, client, this.#options.messages, clock.monotonic());
      this.#sessions.set(request, session);
      if (credential.kind === "subprotocol" && set !== undefined) {
        Object.assign(set.headers, { "sec-websocket-protocol": "auth" });
      }
      audit.record({ ...about, event: "connection.accepted", userId: principal.id, result: "ok", code: "OK" });
      return undefined;
    } catch (error) {
      const known = this.#turnedAway.told(asProtocolError(error, report));
      const event = ERRORS[known.code].status === 401 ? "auth.failed" : "connection.refused";
      audit.record({ ...about, event, result: "refused", code: known.code });
      const { status, headers, body } = errorResponse(known, clock.now());
      return new Response(body, { status, headers: { ...headers, Connection: "close" } });
    }
  }

  async #authenticate(
    request: Request,
    client: ClientAddress,
  ): Promise<{ credential: Credential; principal: Principal }> {
    const header = (name: string): string | null => request.headers.get(name);
    const { origins, authenticator, clock } = this.#ports;
    const retryAfterMs = client.key === null ? 0 : this.#limit.take(client.key, clock.monotonic(), Math.random());
    if (retryAfterMs > 0) throw new ProtocolError("RATE_LIMITED", { retryAfterMs });
    const url = new URL(request.url);
    const view = { query: url.search.slice(1), header };
    const credential = findCredential(view, this.#options.sources, true);
    origins.check(view, credential?.kind === "cookie", client.isProxied);
    if (credential === null) throw new ProtocolError("AUTH_REQUIRED");
    const shown = { client, endpoint: { path: url.pathname }, userAgent: header("user-agent") };
    return { credential, principal: await authenticator.authenticate(credential, client.key, shown) };
  }

  /** Nobody stops these functions, so there is no timer: what is old is freed when something new comes. */
  #sweep(): void {
    const nowMs = this.#ports.clock.monotonic();
    if (nowMs - this.#sweptMs < 1_000) return;
    this.#sweptMs = nowMs;
    this.#limit.sweep(nowMs);
    this.#ports.authenticator.sweep();
  }
}
