import { accountProblem, type Accounts, openAccounts } from "./auth/accounts.ts";
import { type Authenticator, createAuthenticator, type Tickets } from "./auth/authenticate.ts";
import { createIssuer, type Issuer } from "./auth/issue.ts";
import { refusing } from "./auth/refusing.ts";
import { isRevoked, type Revocations } from "./auth/revocations.ts";
import { weakness } from "./auth/secret.ts";
import { type Config, ConfigError } from "./config.ts";
import { type Clock, systemClock } from "./observe/clock.ts";
import { ProtocolError } from "./protocol/codes.ts";

/** Who is let in, and accounts and tokens of this node's own, as its configuration says: for the node, for login, and for the command line. */

const VERIFIED_TOKENS = 50_000;
const HMAC_ALGORITHMS = ["HS256", "HS384", "HS512"] as const;
const ACCOUNT_RULES = {
  username: "1 to 64 of A-Z a-z 0-9 _ . -",
  password: "8 to 1,024 bytes",
  role: "1 to 64 of A-Z a-z 0-9 _ . : -",
} as const;

/** Throws `ConfigError` for a secret that no node would start with: short, published, or guessable. */
export function checkSecret({ jwtSecret, generatedSecret, jwtAlgorithms }: Config): void {
  const problem = jwtSecret === null || generatedSecret ? null : weakness(jwtSecret, jwtAlgorithms);
  if (problem !== null) throw new ConfigError([{ name: "JWT_SECRET", problem }]);
}

/** The accounts of the configuration. Throws `ConfigError` when the file cannot be used. */
export async function openStore(config: Config, clock: Clock): Promise<Accounts> {
  try {
    return await openAccounts(config.databasePath, { clock, defaultRole: config.defaultRole });
  } catch (error) {
    const code = error instanceof Error && "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
    throw new ConfigError([{ name: "DATABASE_URL", problem: `names a file that cannot be used${code}` }], {
      cause: error,
    });
  }
}

export interface Standing {
  readonly accounts: Pick<Accounts, "wasRemoved"> | null;
  readonly revocations: Revocations;
  /** Whether this node knows what was ordered before it started: before, nobody can say who was turned away. */
  readonly isKnown: () => boolean;
  readonly tickets: Tickets;
}

/** Throws an `Error` that names the setting when keys, secret or algorithms cannot be used. */
export function authenticatorOf(config: Config, clock: Clock, standing: Standing): Authenticator {
  const { accounts, revocations, isKnown, tickets } = standing;
  const authenticator = createAuthenticator(
    {
      secret: config.jwtSecret,
      publicKeyPem: config.jwtPublicKey,
      jwksUrl: config.jwksUrl,
      algorithms: config.jwtAlgorithms,
      issuer: config.jwtIssuer,
      audience: config.jwtAudience,
      typ: config.jwtTyp,
      userIdClaim: config.jwtUserIdClaim,
      clockToleranceS: config.clockToleranceS,
      maxTokenLifetimeS: config.maxTokenLifetimeS,
      defaultRole: config.defaultRole,
      authFailuresPerMinute: config.authFailuresPerMinute,
      verifiedCacheSize: VERIFIED_TOKENS,
      tickets,
    },
    clock,
  );
  return refusing(authenticator, (principal) => {
    if (!isKnown()) throw new ProtocolError("UNAVAILABLE");
    return isRevoked(principal, revocations) || accounts?.wasRemoved(principal.id) === true;
  });
}

/** Null without a secret: tokens of this node's own need one. */
export function issuerOf(config: Config, clock: Clock, ttlS: number = config.tokenTtlS): Issuer | null {
  if (config.jwtSecret === null) return null;
  const accepted = config.jwtAlgorithms;
  const algorithm = accepted.length === 0 ? "HS256" : HMAC_ALGORITHMS.find((name) => accepted.includes(name));
  if (algorithm === undefined) return null;
  return createIssuer(
    {
      secret: config.jwtSecret,
      algorithm,
      ttlS,
      issuer: config.jwtIssuer,
      audience: config.jwtAudience,
      typ: config.jwtTyp,
      userIdClaim: config.jwtUserIdClaim,
    },
    clock,
  );
}

/** Adds an account to the store of the configuration, whether or not a node runs on it. */
export async function addUser(
  config: Config,
  username: string,
  password: string,
  role: string,
): Promise<{ id: string }> {
  const problem = accountProblem(username, password, role);
  if (problem !== null) throw new Error(`The ${problem} cannot be used: ${ACCOUNT_RULES[problem]}.`);
  const accounts = await openStore(config, systemClock);
  try {
    const { id } = await accounts.register(username, password, role);
    return { id };
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== "CONFLICT") throw error;
    throw new Error(`There is an account ${username} already.`, { cause: error });
  } finally {
    accounts.close();
  }
}

/** Ends an account. Its tokens are refused at once, by a node that runs too; connections that are open go on until theirs end. */
export async function removeUser(config: Config, username: string): Promise<void> {
  const accounts = await openStore(config, systemClock);
  try {
    if (!accounts.remove(username)) throw new Error("There is no account of that name.");
  } finally {
    accounts.close();
  }
}

/** A token that a node with this configuration accepts. */
export async function signToken(
  config: Config,
  claims: { sub: string; username?: string; role?: string; ttlS: number },
): Promise<string> {
  const issue = issuerOf(config, systemClock, claims.ttlS);
  if (issue === null) throw new Error("JWT_SECRET is not set, or JWT_ALGORITHMS has no HS algorithm.");
  const { sub: id, username = id, role = config.defaultRole } = claims;
  const { token } = await issue({ id, username, role });
  return token;
}
