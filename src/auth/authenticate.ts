import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import { type ClaimRules, principalOf } from "./claims.ts";
import { digestOf } from "./digest.ts";
import { FailedAuthentications } from "./failures.ts";
import { isSignatureValid, type KeyOptions, KeySet, type PublicKey, type PublicKeys } from "./keys.ts";
import { MAX_TOKEN_LENGTH, type ParsedToken, parseObject, parseToken } from "./jwt.ts";
import type { Credential } from "./sources.ts";
import { VerifiedTokens } from "./verified.ts";

/** One-time tickets. */
export interface Tickets {
  /** The ticket is spent by this. Null when it is unknown, used or too old. Rejects with UNAVAILABLE when its store is away. */
  redeem(ticket: string): Principal | null | Promise<Principal | null>;
  /** Frees what is old. */
  sweep(): void;
}

export interface AuthOptions extends KeyOptions, ClaimRules {
  /** How many tokens that do not verify an address may bring in a minute. */
  readonly authFailuresPerMinute: number;
  /** Verified tokens that are remembered. */
  readonly verifiedCacheSize: number;
  /** Null: every ticket is unknown. */
  readonly tickets: Tickets | null;
}

/** Who shows a credential, and where: connections, handshakes and requests are of this shape. */
export interface Shown {
  readonly client: { readonly address: string };
  /** Absent for what is no endpoint. */
  readonly endpoint?: { readonly path: string } | undefined;
  readonly userAgent?: string | null;
  /** A handshake says the rest when it is asked for. */
  readonly handshake?: { header(name: string): string | null };
  /** A bare token came in a frame unless it says otherwise. */
  readonly via?: "http";
}

export interface Authenticator {
  /**
   * Who brought the credential. Synchronous when nothing waits: an HMAC token, or one seen before. Throws or rejects AUTH_FAILED,
   * TOKEN_EXPIRED, FORBIDDEN (`isActive: false`), RATE_LIMITED with `retryAfterMs`, UNAVAILABLE (no keys, no ticket store, no revocations).
   *
   * `addressKey` is what failures are counted by: null counts and limits nothing. `shown` is for an application that checks tokens itself.
   */
  authenticate(credential: Credential, addressKey: string | null, shown?: Shown): Principal | Promise<Principal>;
  /** The same for the bare token of an `auth`, `refresh` or `subscribe` frame, or of an HTTP request. */
  verify(token: string, addressKey: string | null, shown?: Shown): Principal | Promise<Principal>;
  /**
   * Whether someone who was verified before would be turned away by now: the token was revoked, the account removed. Throws UNAVAILABLE while a node
   * that has just started does not know it yet.
   */
  isRefused(principal: Principal): boolean;
  /** To be called once a second: frees what is old, and fetches remote keys when they are due. */
  sweep(): void;
  /** False while there are no keys to verify with, which can only be while a remote key set is away. */
  readonly keysReady: boolean;
  /** What it remembers, in entries, for the metrics. */
  readonly held: { readonly verifiedTokens: number; readonly failures: number };
}

/** Throws an `Error` that names the setting when keys, secret or algorithms cannot be used. */
export function createAuthenticator(options: AuthOptions, clock: Clock): Authenticator {
  return new TokenAuthenticator(options, clock);
}

class TokenAuthenticator implements Authenticator {
  readonly #rules: ClaimRules;
  readonly #tickets: Tickets | null;
  readonly #clock: Clock;
  readonly #keys: KeySet;
  readonly #verified: VerifiedTokens;
  readonly #failures: FailedAuthentications;

  constructor(options: AuthOptions, clock: Clock) {
    this.#rules = options;
    this.#tickets = options.tickets;
    this.#clock = clock;
    this.#verified = new VerifiedTokens(options.verifiedCacheSize, clock);
    this.#failures = new FailedAuthentications(options.authFailuresPerMinute, clock);
    this.#keys = KeySet.create(options, clock, () => this.#verified.clear());
  }

  get keysReady(): boolean {
    return this.#keys.ready;
  }

  get held(): Authenticator["held"] {
    return { verifiedTokens: this.#verified.size, failures: this.#failures.size };
  }

  authenticate(credential: Credential, addressKey: string | null): Principal | Promise<Principal> {
    return credential.kind === "ticket"
      ? this.#redeem(credential.token, addressKey)
      : this.verify(credential.token, addressKey);
  }

  verify(token: string, addressKey: string | null): Principal | Promise<Principal> {
    const digest = tokenDigest(token);
    const known = this.#verified.get(digest);
    if (known !== null) return known;
    // Only now: whoever shares an address with an attacker still gets in with a token that was good before.
    if (addressKey !== null) this.#failures.check(addressKey);

    const parsed = parseToken(token);
    const keys = parsed === null ? null : this.#keys.get(parsed.alg);
    if (parsed === null || keys === null) throw this.#failure(digest, addressKey);
    if (keys.kind === "public") return this.#verifyPublic(token, parsed, keys, digest, addressKey);
    if (!keys.hmac.isValid(parsed.signingInput, parsed.signature)) throw this.#failure(digest, addressKey);
    return this.#accept(parsed, digest, this.#verified.generation, Number.POSITIVE_INFINITY);
  }

  isRefused(): boolean {
    return false;
  }

  sweep(): void {
    this.#tickets?.sweep();
    this.#failures.sweep();
    this.#verified.sweep();
    this.#keys.sweep();
  }

  async #verifyPublic(
    token: string,
    parsed: ParsedToken,
    keys: PublicKeys,
    digest: string,
    addressKey: string | null,
  ): Promise<Principal> {
    const key = await this.#find(keys, parsed);
    const generation = this.#verified.generation;
    if (key === null || !(await isSignatureValid(token, parsed.alg, key))) throw this.#failure(digest, addressKey);
    return this.#accept(parsed, digest, generation, keys.maxCacheMs);
  }

  async #find(keys: PublicKeys, parsed: ParsedToken): Promise<PublicKey | null> {
    try {
      return await keys.find(parsed);
    } catch (error) {
      throw new ProtocolError("UNAVAILABLE", {}, error);
    }
  }

  /** The signature is good: what is wrong from here on is no failed authentication. */
  #accept(parsed: ParsedToken, digest: string, generation: number, maxCacheMs: number): Principal {
    const claims = parseObject(parsed.payload);
    if (claims === null) throw new ProtocolError("AUTH_FAILED");
    const principal = principalOf(claims, parsed.typ, this.#rules, this.#clock.now());
    this.#verified.add(digest, principal, generation, maxCacheMs);
    return principal;
  }

  #redeem(ticket: string, addressKey: string | null): Principal | Promise<Principal> {
    if (addressKey !== null) this.#failures.check(addressKey);
    const redeemed = this.#tickets === null ? null : this.#tickets.redeem(ticket);
    return redeemed instanceof Promise
      ? redeemed.then((principal) => this.#holderOf(ticket, principal, addressKey))
      : this.#holderOf(ticket, redeemed, addressKey);
  }

  #holderOf(ticket: string, principal: Principal | null, addressKey: string | null): Principal {
    if (principal === null) throw this.#failure(tokenDigest(ticket), addressKey);
    return principal;
  }

  #failure(digest: string, addressKey: string | null): ProtocolError {
    if (addressKey !== null) this.#failures.add(addressKey, digest);
    return new ProtocolError("AUTH_FAILED");
  }
}

/** Longer ones are refused anyway: they share the digest of their beginning, which no good token has. */
export function tokenDigest(token: string): string {
  return digestOf(token.length > MAX_TOKEN_LENGTH ? token.slice(0, MAX_TOKEN_LENGTH + 1) : token);
}
