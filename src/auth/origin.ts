import { ProtocolError } from "../protocol/codes.ts";
import type { HandshakeView } from "./sources.ts";

/** The request of which the origin is asked: `Handshake` of the engine fits. */
type Headers = Pick<HandshakeView, "header">;

export interface OriginPolicy {
  /**
   * Throws ORIGIN_FORBIDDEN: with a cookie unless the `Origin` is allowed or the node's own, otherwise only when a list is configured
   * and the header is there (docs/protocol.md, "Where the token is"). `isProxied`: the request came by a trusted proxy, whose word on the
   * node's own host counts.
   */
  check(request: Headers, isCookie: boolean, isProxied: boolean): void;
  /** Normalised: what CORS may answer. */
  readonly allowed: readonly string[];
}

const MAX_ORIGIN_LENGTH = 300;
/** An origin in its serialised form, RFC 6454 section 6.2: no path, no user, no space, so two joined headers never fit. */
const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?$/;
const DEFAULT_PORTS: ReadonlyMap<string, string> = new Map([
  ["http", "80"],
  ["https", "443"],
]);

/** Lower-cased and without the scheme's default port; null when it is no origin. */
function normalise(text: string): string | null {
  if (text.length > MAX_ORIGIN_LENGTH) return null;
  const match = ORIGIN.exec(text.toLowerCase());
  if (match === null) return null;
  const [, scheme = "", host = "", port] = match;
  if (port === undefined || port === DEFAULT_PORTS.get(scheme)) return `${scheme}://${host}`;
  return Number(port) > 65_535 ? null : `${scheme}://${host}:${port}`;
}

/** Entries are compared whole: scheme, host and port. Throws an `Error` for one that is no origin; `*` is none. */
export function createOriginPolicy(allowedOrigins: readonly string[]): OriginPolicy {
  const allowed = new Set<string>();
  for (const entry of allowedOrigins) {
    const origin = normalise(entry);
    if (origin === null)
      throw new Error("ALLOWED_ORIGINS: every entry is scheme://host[:port], without path or wildcard");
    allowed.add(origin);
  }
  return {
    allowed: [...allowed],
    check(request, isCookie, isProxied) {
      if (!isCookie && allowed.size === 0) return;
      const header = request.header("origin");
      if (!isCookie && header === null) return;
      const origin = header === null ? null : normalise(header);
      if (origin !== null && (allowed.has(origin) || origin === ownOrigin(request, isProxied))) return;
      throw new ProtocolError("ORIGIN_FORBIDDEN");
    },
  };
}

/** As the client used it; null when unknown. */
function ownOrigin(request: Headers, isProxied: boolean): string | null {
  const forwardedHost = isProxied ? request.header("x-forwarded-host") : null;
  const isSecure = isProxied && request.header("x-forwarded-proto")?.trim().toLowerCase() === "https";
  const host = forwardedHost ?? request.header("host");
  return host === null ? null : normalise(`${isSecure ? "https" : "http"}://${host}`);
}
