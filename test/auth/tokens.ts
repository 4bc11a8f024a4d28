import { createHmac, randomBytes } from "node:crypto";
import { type AuthOptions, type Authenticator, createAuthenticator } from "../../src/auth/authenticate.ts";
import { type ErrorCode, ProtocolError } from "../../src/protocol/codes.ts";
import { FakeClock } from "../support/clock.ts";

/** Tokens made by hand, so that they can be wrong in every way. */

export const SECRET = randomBytes(48).toString("base64url");
export const NOW_S = Math.floor(new FakeClock().now() / 1000);

export const OPTIONS: AuthOptions = {
  secret: SECRET,
  publicKeyPem: null,
  jwksUrl: null,
  algorithms: [],
  issuer: null,
  audience: null,
  typ: null,
  userIdClaim: "sub",
  clockToleranceS: 5,
  maxTokenLifetimeS: null,
  defaultRole: "user",
  authFailuresPerMinute: 20,
  verifiedCacheSize: 1_000,
  tickets: null,
};

export function authenticatorWith(options: Partial<AuthOptions> = {}, clock = new FakeClock()): Authenticator {
  return createAuthenticator({ ...OPTIONS, ...options }, clock);
}

/** Text and bytes as they are, all else as JSON. */
export function encode(part: unknown): string {
  const bytes = typeof part === "string" || part instanceof Uint8Array ? part : JSON.stringify(part);
  return Buffer.from(bytes).toString("base64url");
}

export interface Forgery {
  readonly header?: unknown;
  readonly secret?: string | Uint8Array;
  readonly hash?: string;
}

/** A token signed with an HMAC, whatever its header claims. */
export function signed(payload: unknown, forgery: Forgery = {}): string {
  const input = `${encode(forgery.header === undefined ? { alg: "HS256", typ: "JWT" } : forgery.header)}.${encode(payload)}`;
  const mac = createHmac(forgery.hash ?? "sha256", forgery.secret ?? SECRET);
  return `${input}.${mac.update(input).digest("base64url")}`;
}

/** Good claims, changed by `changes`; undefined takes one away. */
export function claims(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { sub: "alice", exp: NOW_S + 600, iat: NOW_S, ...changes };
}

/** "ok", or the code that the call threw or rejected with. Anything but a ProtocolError is thrown on. */
export async function outcome(run: () => unknown): Promise<ErrorCode | "ok"> {
  try {
    await run();
    return "ok";
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

export async function until(isReached: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await isReached())) {
    if (performance.now() > deadline) throw new Error("waited 20 s for a condition");
    await Bun.sleep(1);
  }
}
