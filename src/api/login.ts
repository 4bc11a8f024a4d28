import * as v from "valibot";
import type { Account, Accounts } from "../auth/accounts.ts";
import { Buckets } from "../hub/limits.ts";
import type { AuditEvent } from "../observe/audit.ts";
import type { Clock } from "../observe/clock.ts";
import { type ErrorCode, ProtocolError } from "../protocol/codes.ts";
import { requireJson } from "./body.ts";
import { type Call, NOTHING, type Route, route } from "./route.ts";

/** `POST /api/login` and `POST /api/register`: credentials in, token out. */

export interface IssuedToken {
  readonly token: string;
  readonly expiresInS: number;
}

export interface LoginPorts {
  readonly accounts: Accounts;
  readonly issueToken: (account: Account) => Promise<IssuedToken>;
  readonly clock: Clock;
  readonly audit: (event: AuditEvent) => void;
}

const PER_NAME_AND_ADDRESS = { perSecond: 10 / 60, burst: 10 };
const PER_ADDRESS = { perSecond: 1, burst: 60 };

/** Only bounds: what a name or password may be is the account store's to say, and is no news to who guesses. */
const Credentials = v.object({
  username: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  password: v.pipe(v.string(), v.minLength(1), v.maxBytes(1_024)),
});

type Credentials = v.InferOutput<typeof Credentials>;

const TokenAnswer = v.object({ token: v.string(), expires_in: v.number() });

interface Action {
  readonly summary: string;
  readonly errors: readonly ErrorCode[];
  readonly event: AuditEvent["event"];
  readonly status: number;
  /** Throws `AUTH_FAILED`, `CONFLICT`, or what `Accounts` throws. */
  readonly run: (accounts: Accounts, credentials: Credentials) => Promise<Account>;
}

const ACTIONS = {
  login: {
    summary: "A token for a name and a password; an unknown name and a wrong password look the same.",
    errors: ["AUTH_FAILED", "RATE_LIMITED", "OVERLOADED", "UNAVAILABLE"],
    event: "account.login",
    status: 200,
    async run(accounts, { username, password }) {
      const account = await accounts.verify(username, password);
      if (account === null) throw new ProtocolError("AUTH_FAILED");
      return account;
    },
  },
  register: {
    summary: "A new account, and its first token.",
    errors: ["CONFLICT", "RATE_LIMITED", "OVERLOADED", "UNAVAILABLE"],
    event: "account.registered",
    status: 201,
    run: (accounts, { username, password }) => accounts.register(username, password),
  },
} as const satisfies Record<string, Action>;

/** What every record of one request says. */
type Attempt = Pick<AuditEvent, "event" | "address" | "userAgent">;

export class Login {
  readonly #ports: LoginPorts;
  /** Shared by both routes: each attempt costs a password hash. */
  readonly #byAddress = new Buckets(PER_ADDRESS);
  readonly #byName = new Buckets(PER_NAME_AND_ADDRESS);

  constructor(ports: LoginPorts) {
    this.#ports = ports;
  }

  /** `/api/login`, and `/api/register` where that is allowed. */
  routes(canRegister: boolean): Route[] {
    const kinds = canRegister ? (["login", "register"] as const) : (["login"] as const);
    return kinds.map((kind) => {
      const action: Action = ACTIONS[kind];
      return route({
        ...{ method: "POST", path: `/api/${kind}`, access: "open", summary: action.summary, errors: action.errors },
        ...{ params: NOTHING, query: v.unknown(), body: Credentials },
        answers: { [action.status]: { what: "the token, and its life in seconds", schema: TokenAnswer } },
        handle: (call) => this.#answer(action, call),
      });
    });
  }

  async #answer(action: Action, { request, client, body }: Call<object, unknown, Credentials>): Promise<Response> {
    const { accounts, issueToken } = this.#ports;
    const attempt: Attempt = {
      event: action.event,
      address: client.address,
      userAgent: request.headers.get("user-agent"),
    };
    requireJson(request);
    if (client.key !== null) this.#limit(this.#byAddress, client.key, attempt);
    const credentials = await body();
    // Without an address the name alone is the key: guessing at one account stays slow behind a proxy that nobody named.
    this.#limit(this.#byName, `${credentials.username.toLowerCase()} ${client.key ?? ""}`, attempt);
    try {
      const account = await action.run(accounts, credentials);
      const { token, expiresInS } = await issueToken(account);
      this.#ports.audit({ ...attempt, result: "ok", code: "OK", userId: account.id });
      return Response.json({ token, expires_in: expiresInS }, { status: action.status });
    } catch (error) {
      const code = error instanceof ProtocolError ? error.code : "INTERNAL";
      // The account that was meant, never the name as it came: people type passwords there.
      const meant = code === "AUTH_FAILED" ? accounts.findByName(credentials.username) : null;
      this.#ports.audit({ ...attempt, result: "refused", code, userId: meant?.id ?? null });
      throw error;
    }
  }

  /** Addresses and names whose limit is not full again. */
  get limited(): number {
    return this.#byAddress.size + this.#byName.size;
  }

  /** Frees the buckets that are full again. */
  sweep(): void {
    const nowMs = this.#ports.clock.monotonic();
    this.#byAddress.sweep(nowMs);
    this.#byName.sweep(nowMs);
  }

  #limit(buckets: Buckets, key: string, attempt: Attempt): void {
    const retryAfterMs = buckets.take(key, 1, this.#ports.clock.monotonic());
    if (retryAfterMs === 0) return;
    this.#ports.audit({ ...attempt, result: "refused", code: "RATE_LIMITED" });
    throw new ProtocolError("RATE_LIMITED", { retryAfterMs });
  }
}
