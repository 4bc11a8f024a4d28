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
  readonly authenticator: Pick<Authenticator, "verify" | "isRefused">;
  /** Whether a token that was good before has ended by now. */
  readonly hasEnded: (principal: Principal) => boolean;
  readonly access: Pick<Permissions, "hasPermission">;
  readonly origins: OriginPolicy;
  /** Header or cookie. Throws BAD_REQUEST. */
  readonly findCredential: (view: HandshakeView) => Credential | null;
}

/** What a user's token must allow for each kind of route. */
const PERMISSIONS = { user: null, monitor: "system.monitor", api: "system.publish" } as const;

type ClosedAccess = Exclude<Access, "open">;

/** What a request shows of itself, unchecked. */
interface Shown {
  readonly text: string;
  /** Whether it came where the API key may be. */
  readonly mayBeKey: boolean;
}

export const NOBODY: Caller = { kind: "nobody" };
const KEY: Caller = { kind: "key" };

export class Callers {
  readonly #ports: CallerPorts;

  constructor(ports: CallerPorts) {
    this.#ports = ports;
  }

  /**
   * Throws AUTH_REQUIRED, AUTH_FAILED, TOKEN_EXPIRED, RATE_LIMITED (too many failures of the address), FORBIDDEN (an inactive user),
   * ORIGIN_FORBIDDEN (a cookie of another site), BAD_REQUEST (more than one credential).
   */
  async identify(request: Request, client: ClientAddress, access: Access, changesState: boolean): Promise<Caller> {
    if (access === "open") return NOBODY;
    const shown = this.#shown(request, client, access, changesState);
    const { apiKey, authenticator } = this.#ports;
    if (shown.mayBeKey && apiKey !== null && isSame(shown.text, apiKey)) return KEY;
    const principal = await authenticator.verify(shown.text, client.key, {
      client,
      endpoint: { path: new URL(request.url).pathname },
      userAgent: request.headers.get("user-agent"),
      via: "http",
    });
    return { kind: "user", principal };
  }

  /** Apart from who it is, so that whoever is refused is known. Throws FORBIDDEN: the token does not allow it. */
  requirePermission(caller: Caller, access: Access): void {
    const permission = access === "open" ? null : PERMISSIONS[access];
    if (permission === null || caller.kind !== "user") return;
    if (!this.#ports.access.hasPermission(caller.principal, permission)) throw new ProtocolError("FORBIDDEN");
  }

  /** Whether it might call the route now, for what takes long. Throws AUTH_FAILED (revoked meanwhile), TOKEN_EXPIRED, FORBIDDEN. */
  requireStanding(caller: Caller, access: Access): void {
    if (caller.kind !== "user") return;
    const { authenticator, hasEnded } = this.#ports;
    if (authenticator.isRefused(caller.principal)) throw new ProtocolError("AUTH_FAILED");
    if (hasEnded(caller.principal)) throw new ProtocolError("TOKEN_EXPIRED");
    this.requirePermission(caller, access);
  }

  /** A cookie is never the key: browsers send it unasked. */
  #shown(request: Request, client: ClientAddress, access: ClosedAccess, changesState: boolean): Shown {
    if (access === "api" || (access === "monitor" && request.headers.has("x-api-key"))) {
      return { text: apiCredential(request), mayBeKey: true };
    }
    const { kind, token } = this.#userCredential(request, client, changesState);
    return { text: token, mayBeKey: access === "monitor" && kind === "header" };
  }

  /** Browsers send the cookie unasked: where something changes it counts only with an Origin that is allowed. */
  #userCredential(request: Request, client: ClientAddress, changesState: boolean): Credential {
    const view = { query: "", header: (name: string) => request.headers.get(name) };
    const credential = this.#ports.findCredential(view);
    this.#ports.origins.check(view, changesState && credential?.kind === "cookie", client.isProxied);
    if (credential === null) throw new ProtocolError("AUTH_REQUIRED");
    return credential;
  }
}

/** From `X-API-Key` or `Authorization: Bearer`, never from a cookie. */
function apiCredential(request: Request): string {
  const key = request.headers.get("x-api-key");
  const authorization = request.headers.get("authorization");
  if (key !== null && authorization !== null) throw new ProtocolError("BAD_REQUEST");
  if (authorization === null) {
    if (key === null) throw new ProtocolError("AUTH_REQUIRED");
    return key;
  }
  const [, token] = /^bearer +([^ ]+) *$/i.exec(authorization) ?? [];
  if (token === undefined) throw new ProtocolError("BAD_REQUEST");
  return token;
}

/** In constant time; digests, because `timingSafeEqual` wants equal lengths and would tell the length. */
export function isSame(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
