import type { Clock } from "../observe/clock.ts";
import { within } from "../observe/deadline.ts";
import { isThenable } from "../observe/thenable.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import { type Authenticator, type Shown, tokenDigest } from "./authenticate.ts";
import { FailedAuthentications } from "./failures.ts";
import { MAX_TOKEN_LENGTH } from "./jwt.ts";
import { type PrincipalInput, principalFrom } from "./principal-input.ts";
import type { Credential } from "./sources.ts";

/** Where a token was shown, and by whom. Nothing in it is a secret. */
export interface Handshake {
  /** The path of the WebSocket endpoint, or of the HTTP request. */
  readonly endpoint: string;
  /** The client's address, behind trusted proxies too; "" when unknown. */
  readonly address: string;
  /** Null when there is none, and for a token that comes later than the handshake. */
  readonly userAgent: string | null;
  /** `frame`: a frame `auth`, `refresh` or `subscribe`; `http`: a request that is no handshake. */
  readonly source: "header" | "subprotocol" | "query" | "cookie" | "frame" | "http";
}

type MaybePromise<T> = T | Promise<T>;

/**
 * Says whose token it is; null when it is nobody's, which is answered AUTH_FAILED and counted against the address. A `ProtocolError`
 * with one of the codes AUTH_FAILED, TOKEN_EXPIRED, FORBIDDEN, UNAVAILABLE is answered as it is; anything else that is thrown, and no
 * answer within 10 s, is UNAVAILABLE: the client keeps its token and comes back later. Answers are not kept.
 */
export type TokenValidator = (token: string, handshake: Handshake) => MaybePromise<PrincipalInput | null | undefined>;

export interface ValidatorOptions {
  readonly defaultRole: string;
  readonly clockToleranceS: number;
  readonly authFailuresPerMinute: number;
  /** How many answers are waited for at once; beyond it OVERLOADED. */
  readonly maxPendingConnections: number;
}

export interface ValidatorPorts {
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
}

const TIMEOUT_MS = 10_000;
const ANSWERS: ReadonlySet<string> = new Set(["AUTH_FAILED", "TOKEN_EXPIRED", "FORBIDDEN", "UNAVAILABLE"]);

/** Tokens are checked by a function of the application. One-time tickets stay those of the node. */
export class ValidatedTokens implements Authenticator {
  readonly #own: Authenticator;
  readonly #validate: TokenValidator;
  readonly #options: ValidatorOptions;
  readonly #ports: ValidatorPorts;
  readonly #failures: FailedAuthentications;
  readonly keysReady = true;
  #pending = 0;

  constructor(own: Authenticator, validate: TokenValidator, options: ValidatorOptions, ports: ValidatorPorts) {
    this.#own = own;
    this.#validate = validate;
    this.#options = options;
    this.#ports = ports;
    this.#failures = new FailedAuthentications(options.authFailuresPerMinute, ports.clock);
  }

  get held(): Authenticator["held"] {
    const { verifiedTokens, failures } = this.#own.held;
    return { verifiedTokens, failures: failures + this.#failures.size };
  }

  authenticate(credential: Credential, addressKey: string | null, shown?: Shown): Principal | Promise<Principal> {
    const { kind, token } = credential;
    if (kind === "ticket") return this.#own.authenticate(credential, addressKey, shown);
    return this.#check(token, addressKey, kind, shown);
  }

  verify(token: string, addressKey: string | null, shown?: Shown): Principal | Promise<Principal> {
    return this.#check(token, addressKey, shown?.via ?? "frame", shown);
  }

  isRefused(principal: Principal): boolean {
    return this.#own.isRefused(principal);
  }

  sweep(): void {
    this.#failures.sweep();
    this.#own.sweep();
  }

  #check(
    token: string,
    addressKey: string | null,
    source: Handshake["source"],
    shown: Shown | undefined,
  ): Principal | Promise<Principal> {
    if (addressKey !== null) this.#failures.check(addressKey);
    if (token === "" || token.length > MAX_TOKEN_LENGTH) throw this.#failure(token, addressKey);
    if (this.#pending >= this.#options.maxPendingConnections) {
      throw new ProtocolError("OVERLOADED");
    }
    try {
      const validate = this.#validate;
      const answer = validate(token, handshakeOf(source, shown));
      return isThenable(answer) ? this.#wait(answer, token, addressKey) : this.#accept(answer);
    } catch (error) {
      throw this.#refusal(error, token, addressKey);
    }
  }

  async #wait(answer: PromiseLike<unknown>, token: string, addressKey: string | null): Promise<Principal> {
    this.#pending += 1;
    try {
      const input = await within(Promise.resolve(answer), TIMEOUT_MS, this.#ports.clock);
      return this.#accept(input);
    } catch (error) {
      throw this.#refusal(error, token, addressKey);
    } finally {
      this.#pending -= 1;
    }
  }

  #accept(input: unknown): Principal {
    if (input === null || input === undefined) throw new ProtocolError("AUTH_FAILED");
    const principal = this.#describe(input);
    // Genuine, and so no failed authentication of the address.
    if (this.#own.isRefused(principal)) throw new Unwanted();
    return principal;
  }

  #describe(input: unknown): Principal {
    const { defaultRole, clockToleranceS } = this.#options;
    try {
      return principalFrom(input, defaultRole, this.#ports.clock.now() - clockToleranceS * 1_000);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      // No fault of the client, and nothing that its next try would change.
      this.#ports.report(error, crypto.randomUUID());
      throw new Unwanted();
    }
  }

  /** What the client is answered instead of what was thrown. */
  #refusal(error: unknown, token: string, addressKey: string | null): ProtocolError {
    if (error instanceof Unwanted) return new ProtocolError("AUTH_FAILED");
    if (error instanceof ProtocolError && ANSWERS.has(error.code)) {
      return error.code === "AUTH_FAILED" ? this.#failure(token, addressKey) : error;
    }
    this.#ports.report(error, crypto.randomUUID());
    return new ProtocolError("UNAVAILABLE", {}, error);
  }

  #failure(token: string, addressKey: string | null): ProtocolError {
    if (addressKey !== null) this.#failures.add(addressKey, tokenDigest(token));
    return new ProtocolError("AUTH_FAILED");
  }
}

/** AUTH_FAILED for another reason than a bad token: the answer describes no user, or one whose token was revoked. */
class Unwanted extends Error {}

function handshakeOf(source: Handshake["source"], shown: Shown | undefined): Handshake {
  return {
    endpoint: shown?.endpoint?.path ?? "",
    address: shown?.client.address ?? "",
    userAgent: shown?.handshake?.header("user-agent") ?? shown?.userAgent ?? null,
    source,
  };
}
