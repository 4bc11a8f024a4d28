import * as v from "valibot";
import type { Account, Accounts } from "../auth/accounts.ts";
import type { ClientAddress } from "../hub/address.ts";
import { Buckets } from "../hub/limits.ts";
import type { AuditEvent } from "../observe/audit.ts";
import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { jsonBody, requireJson } from "./body.ts";

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

const MAX_BODY_BYTES = 65_536;
const PER_NAME_AND_ADDRESS = { perSecond: 10 / 60, burst: 10 };
const PER_ADDRESS = { perSecond: 1, burst: 60 };

/** Only bounds: what a name or password may be is the account store's to say, and is no news to who guesses. */
const Credentials = v.object({
  username: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  password: v.pipe(v.string(), v.minLength(1), v.maxBytes(1_024)),
});

type Credentials = v.InferOutput<typeof Credentials>;

interface Action {
  readonly event: AuditEvent["event"];
  readonly status: number;
  /** Throws `AUTH_FAILED`, `CONFLICT`, or what `Accounts` throws. */
  readonly run: (accounts: Accounts, credentials: Credentials) => Promise<Account>;
}

const ACTIONS = {
  login: {
    event: "account.login",
    status: 200,
    async run(accounts, { username, password }) {
      const account = await accounts.verify(username, password);
      if (account === null) throw new ProtocolError("AUTH_FAILED");
      return account;
    },
  },
  register: {
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

  /** Answers `{token, expires_in}`; throws `ProtocolError`. */
  async answer(kind: keyof typeof ACTIONS, request: Request, client: ClientAddress): Promise<Response> {
    const action: Action = ACTIONS[kind];
    const { accounts, issueToken } = this.#ports;
    const attempt: Attempt = {
      event: action.event,
      address: client.address,
      userAgent: request.headers.get("user-agent"),
    };
    requireJson(request);
    if (client.key !== null) this.#limit(this.#byAddress, client.key, attempt);
    const credentials = await jsonBody(request, Credentials, MAX_BODY_BYTES);
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
