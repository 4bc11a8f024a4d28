import { ProtocolError } from "../protocol/codes.ts";
import { queryParameters } from "../protocol/query.ts";

/** What a credential is searched in: `Handshake` of the engine fits, and so does a wrapper around an HTTP request. */
export interface HandshakeView {
  /** Without the `?`; "" when there is none. */
  readonly query: string;
  /** By lower-case name; several lines joined by ", " (cookies by "; "); null when absent. */
  header(name: string): string | null;
}

export type CredentialKind = "header" | "subprotocol" | "ticket" | "query" | "cookie";

export interface Credential {
  readonly kind: CredentialKind;
  /** As it came, unchecked: may be empty, too long, or no token at all. A one-time ticket for `ticket`. */
  readonly token: string;
}

export interface SourceOptions {
  readonly cookieName: string;
  /** False: `?token=` is a parameter like any other. */
  readonly tokenInQuery: boolean;
}

/** The scheme is matched without case, RFC 9110 section 11.1. */
const BEARER = /^bearer +/i;

/** `b64token`, RFC 6750 section 2.1. */
const B64_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/**
 * Where the token is (docs/protocol.md, "Where the token is"). Null when there is none; throws BAD_REQUEST when more than one
 * source has one, when a source has two, or when it is malformed. The cookie counts only when nothing else is there, since
 * browsers send it unasked. `readsCookies` is false on `/`.
 */
export function findCredential(view: HandshakeView, options: SourceOptions, readsCookies: boolean): Credential | null {
  const found: Credential[] = [];
  const authorization = view.header("authorization");
  if (authorization !== null) found.push({ kind: "header", token: bearerToken(authorization) });

  const offer = view.header("sec-websocket-protocol");
  if (offer !== null) {
    const token = offeredToken(offer);
    if (token !== null) found.push({ kind: "subprotocol", token });
  }

  if (view.query !== "") {
    for (const [name, token] of queryParameters(view.query)) {
      if (name === "ticket") found.push({ kind: "ticket", token });
      if (name === "token" && options.tokenInQuery) found.push({ kind: "query", token });
    }
  }

  const [only, another] = found;
  if (another !== undefined) throw new ProtocolError("BAD_REQUEST");
  if (only !== undefined) return only;
  const cookies = readsCookies ? view.header("cookie") : null;
  const token = cookies === null ? null : cookieValue(cookies, options.cookieName);
  return token === null ? null : { kind: "cookie", token };
}

function bearerToken(authorization: string): string {
  const scheme = BEARER.exec(authorization);
  if (scheme === null) throw new ProtocolError("BAD_REQUEST");
  const token = authorization.slice(scheme[0].length);
  if (!B64_TOKEN.test(token)) throw new ProtocolError("BAD_REQUEST");
  return token;
}

/** The element behind `auth`; null when `auth` is not offered. Names compare with case, RFC 6455 section 11.3.4. */
function offeredToken(offer: string): string | null {
  const names = offer.split(",").map((name) => name.trim());
  const at = names.indexOf("auth");
  if (at === -1) return null;
  const token = names[at + 1];
  if (token === undefined || token === "" || names.includes("auth", at + 1)) throw new ProtocolError("BAD_REQUEST");
  return token;
}

/**
 * The value as it stands, neither unquoted nor decoded, since servers differ in that. Null when the cookie is absent or empty: some
 * applications log out by emptying it.
 */
function cookieValue(cookies: string, name: string): string | null {
  let value: string | null = null;
  for (const pair of cookies.split(";")) {
    const equals = pair.indexOf("=");
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue;
    if (value !== null) throw new ProtocolError("BAD_REQUEST");
    value = pair.slice(equals + 1).trim();
  }
  return value === "" ? null : value;
}
