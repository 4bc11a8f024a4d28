import { createHash, timingSafeEqual } from "node:crypto";
import type { Access as Permissions } from "../access.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import type { OriginPolicy } from "../auth/origin.ts";
import type { Credential, HandshakeView } from "../auth/sources.ts";
import type { ClientAddress } from "../hub/address.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Access } from "./route.ts";

/** Who makes a request. */
export type Caller =
  | { readonly kind: "nobody" }
  /** The backend, by its API key. */
  | { readonly kind: "key" }
  | { readonly kind: "user"; readonly principal: Principal };

export interface CallerPorts {
  /** Null: only tokens with `system.publish` call the API. */
  readonly apiKey: string | null;
  readonly authenticator: Pick<Authenticator, "verify">;
  readonly access: Pick<Permissions, "hasPermission">;
  readonly origins: OriginPolicy;
  /** Header or cookie. Throws BAD_REQUEST. */
  readonly findCredential: (view: HandshakeView) => Credential | null;
}

/** What a user's token must allow for each kind of route. */
const PERMISSIONS = { user: null, monitor: "system.monitor", api: "system.publish" } as const;

export const NOBODY: Caller = { kind: "nobody" };
const KEY: Caller = { kind: "key" };

export class Callers {
  readonly #ports: CallerPorts;

  constructor(ports: CallerPorts) {
    this.#ports = ports;
  }

  /**
   * Throws AUTH_REQUIRED, AUTH_FAILED, TOKEN_EXPIRED, RATE_LIMITED (too many failures of the address), FORBIDDEN (the token does not
   * allow it), ORIGIN_FORBIDDEN (a cookie of another site), BAD_REQUEST (more than one credential).
   */
  async identify(request: Request, client: ClientAddress, access: Access, changesState: boolean): Promise<Caller> {
    if (access === "open") return NOBODY;
    const shown = access === "api" ? apiCredential(request) : this.#userCredential(request, client, changesState);
    if (shown === null) throw new ProtocolError("AUTH_REQUIRED");
    const { apiKey, authenticator } = this.#ports;
    if (access !== "user" && apiKey !== null && isSame(shown, apiKey)) return KEY;
    const principal = await authenticator.verify(shown, client.key, {
      client,
      endpoint: { path: new URL(request.url).pathname },
      userAgent: request.headers.get("user-agent"),
      via: "http",
    });
    const permission = PERMISSIONS[access];
    if (permission !== null && !this.#ports.access.hasPermission(principal, permission)) {
      throw new ProtocolError("FORBIDDEN");
    }
    return { kind: "user", principal };
  }

  /** Browsers send the cookie unasked: where something changes it counts only with an Origin that is allowed. */
  #userCredential(request: Request, client: ClientAddress, changesState: boolean): string | null {
    const view = { query: "", header: (name: string) => request.headers.get(name) };
    const credential = this.#ports.findCredential(view);
    const forwardedHost = client.isProxied ? view.header("x-forwarded-host") : null;
    const secure = client.isProxied && view.header("x-forwarded-proto")?.trim().toLowerCase() === "https";
    const context = { host: forwardedHost ?? view.header("host"), secure };
    this.#ports.origins.check(view.header("origin"), changesState && credential?.kind === "cookie", context);
    return credential?.token ?? null;
  }
}

/** From `X-API-Key` or `Authorization: Bearer`, never from a cookie. */
function apiCredential(request: Request): string | null {
  const key = request.headers.get("x-api-key");
  const authorization = request.headers.get("authorization");
  if (key !== null && authorization !== null) throw new ProtocolError("BAD_REQUEST");
  if (authorization === null) return key;
  const [, token] = /^bearer +([^ ]+) *$/i.exec(authorization) ?? [];
  if (token === undefined) throw new ProtocolError("BAD_REQUEST");
  return token;
}

/** In constant time; digests, because `timingSafeEqual` wants equal lengths and would tell the length. */
export function isSame(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
