import type { Config } from "./config.ts";
import { BYTES_PER_TOKEN, MAX_PART_BYTES } from "./protocol/frames.ts";
import { ALGORITHM_KEYS, type SettingKey } from "./settings.ts";

/** Settings that are right each alone and wrong together, as one table; and combinations worth a warning. */
export interface Rule {
  readonly level: "problem" | "warning";
  /** The variable to change. */
  readonly name: string;
  /** Reads on from the name; a constant, so that no value gets out. */
  readonly text: string;
  /** The rule is silent while one of these has a problem of its own. */
  readonly uses: readonly SettingKey[];
  /** `given`: the settings that were set, to their default or not. */
  applies(config: Config, given: ReadonlySet<SettingKey>): boolean;
}

const KEYS = ["jwtSecret", "jwtPublicKey", "jwksUrl"] as const satisfies readonly SettingKey[];

/** What tokens of login say besides the user's id. */
const LOGIN_CLAIMS: ReadonlySet<string> = new Set(["username", "role", "iat", "exp", "nbf", "jti", "iss", "aud"]);

function names(config: Config, key: "secret" | "public"): boolean {
  return config.jwtAlgorithms.some((algorithm) => ALGORITHM_KEYS.get(algorithm) === key);
}

/** An HMAC key as long as the hash (RFC 7518 section 3.2); without `JWT_ALGORITHMS` a secret means HS256. */
function shortSecret(algorithm: string, bytes: number): Rule {
  return {
    level: "problem",
    name: "JWT_SECRET",
    text: `is shorter than the ${bytes} bytes that ${algorithm} needs`,
    uses: ["jwtSecret", "jwtAlgorithms"],
    applies: ({ jwtSecret, jwtAlgorithms }) =>
      jwtSecret !== null &&
      (jwtAlgorithms.length === 0 ? ["HS256"] : jwtAlgorithms).includes(algorithm) &&
      new TextEncoder().encode(jwtSecret).length < bytes,
  };
}

function burstBelowRate(
  name: string,
  rate: "messagesPerSecond" | "joinsPerSecond" | "handshakesPerSecond",
  burst: "messageBurst" | "joinBurst" | "handshakeBurst",
): Rule {
  return {
    level: "problem",
    name,
    text: "is below what one second brings",
    uses: [rate, burst],
    applies: (config) => config[burst] < config[rate],
  };
}

export const RULES: readonly Rule[] = [
  {
    level: "problem",
    name: "JWT_SECRET",
    text: "is missing: in production it, JWT_PUBLIC_KEY or JWKS_URL is required",
    uses: KEYS,
    applies: (config) => config.production && KEYS.every((key) => config[key] === null),
  },
  {
    level: "problem",
    name: "JWT_USER_ID_CLAIM",
    text: "is a claim that means something else in the tokens of login: choose another, or set ACCOUNTS=off",
    uses: ["jwtUserIdClaim"],
    applies: ({ accounts, jwtUserIdClaim }) => accounts !== "off" && LOGIN_CLAIMS.has(jwtUserIdClaim),
  },
  shortSecret("HS256", 32),
  shortSecret("HS384", 48),
  shortSecret("HS512", 64),
  {
    level: "problem",
    name: "JWT_PUBLIC_KEY",
    text: "and JWKS_URL are both set: choose one",
    uses: ["jwtPublicKey", "jwksUrl"],
    applies: (config) => config.jwtPublicKey !== null && config.jwksUrl !== null,
  },
  {
    level: "problem",
    name: "JWT_ALGORITHMS",
    text: "names an HMAC algorithm, but JWT_SECRET is not set: a public key does not fit it",
    uses: [...KEYS, "jwtAlgorithms"],
    applies: (config) => names(config, "secret") && config.jwtSecret === null,
  },
  {
    level: "problem",
    name: "JWT_ALGORITHMS",
    text: "names an algorithm with a public key, but neither JWT_PUBLIC_KEY nor JWKS_URL is set",
    uses: [...KEYS, "jwtAlgorithms"],
    applies: (config) => names(config, "public") && config.jwtPublicKey === null && config.jwksUrl === null,
  },
  {
    level: "problem",
    name: "JWT_ALGORITHMS",
    text: "names no algorithm that fits JWT_SECRET",
    uses: ["jwtSecret", "jwtAlgorithms"],
    applies: (config, given) => given.has("jwtSecret") && config.jwtAlgorithms.length > 0 && !names(config, "secret"),
  },
  {
    level: "problem",
    name: "JWT_ALGORITHMS",
    text: "names no algorithm that fits JWT_PUBLIC_KEY or JWKS_URL",
    uses: [...KEYS, "jwtAlgorithms"],
    applies: (config) =>
      (config.jwtPublicKey !== null || config.jwksUrl !== null) &&
      config.jwtAlgorithms.length > 0 &&
      !names(config, "public"),
  },
  {
    level: "problem",
    name: "ACCOUNTS",
    text: "is set, but without JWT_SECRET no token can be signed",
    uses: [...KEYS, "accounts"],
    applies: (config) => config.accounts !== "off" && config.jwtSecret === null,
  },
  {
    level: "problem",
    name: "TOKEN_TTL_S",
    text: "is above MAX_TOKEN_LIFETIME_S: the tokens from login would be refused",
    uses: ["tokenTtlS", "maxTokenLifetimeS"],
    applies: (config) => config.maxTokenLifetimeS !== null && config.tokenTtlS > config.maxTokenLifetimeS,
  },
  {
    level: "problem",
    name: "UNIX_SOCKET",
    text: "is set together with HOST or PORT: choose one",
    uses: ["unixSocket"],
    applies: (config, given) => config.unixSocket !== null && (given.has("host") || given.has("port")),
  },
  {
    level: "problem",
    name: "PONG_TIMEOUT_MS",
    text: "must be above PING_INTERVAL_MS",
    uses: ["pongTimeoutMs", "pingIntervalMs"],
    applies: (config) => config.pongTimeoutMs <= config.pingIntervalMs,
  },
  burstBelowRate("MESSAGE_BURST", "messagesPerSecond", "messageBurst"),
  burstBelowRate("JOIN_BURST", "joinsPerSecond", "joinBurst"),
  burstBelowRate("HANDSHAKE_BURST", "handshakesPerSecond", "handshakeBurst"),
  {
    level: "problem",
    name: "MESSAGE_BURST",
    text: "is below MAX_MESSAGE_BYTES / 4096: a message of that size could never be sent",
    uses: ["messageBurst", "maxMessageBytes"],
    applies: (config) => config.messageBurst < Math.ceil(config.maxMessageBytes / BYTES_PER_TOKEN),
  },
  {
    level: "problem",
    name: "MAX_UNSENT_BYTES",
    text: "is below HISTORY_BYTES (at most 262144) + 2 × MAX_MESSAGE_BYTES: a recovery would end its own connection",
    uses: ["maxUnsentBytes", "historyBytes", "maxMessageBytes"],
    applies: (config) =>
      config.maxUnsentBytes < Math.min(config.historyBytes, MAX_PART_BYTES) + 2 * config.maxMessageBytes,
  },
  {
    level: "problem",
    name: "MAX_TOTAL_UNSENT_BYTES",
    text: "is below MAX_UNSENT_BYTES: one connection would fill it",
    uses: ["maxTotalUnsentBytes", "maxUnsentBytes"],
    applies: (config) => config.maxTotalUnsentBytes < config.maxUnsentBytes,
  },
  {
    level: "problem",
    name: "MAX_HISTORY_BYTES",
    text: "is below HISTORY_BYTES: not one topic would fit",
    uses: ["maxHistoryBytes", "historyBytes"],
    applies: (config) => config.maxHistoryBytes < config.historyBytes,
  },
  {
    level: "warning",
    name: "JWT_SECRET",
    text: "is not set: tokens are signed with a random secret and end with this process",
    uses: KEYS,
    applies: (config) => config.generatedSecret,
  },
  {
    level: "warning",
    name: "HOST",
    text: "is open to other machines with the defaults of development: /metrics needs no token; set NODE_ENV=production",
    uses: ["host", "metricsToken"],
    applies: (config) =>
      !config.production &&
      config.unixSocket === null &&
      config.metricsToken === null &&
      !/^(localhost|127\.|::1$)/.test(config.host),
  },
  {
    level: "warning",
    name: "MAX_UNSENT_BYTES",
    text: "is below 16 × MAX_MESSAGE_BYTES: short bursts of large messages end connections",
    uses: ["maxUnsentBytes", "maxMessageBytes"],
    applies: (config) => config.maxUnsentBytes < 16 * config.maxMessageBytes,
  },
  {
    level: "warning",
    name: "HISTORY_BYTES",
    text: "is below MAX_MESSAGE_BYTES: the largest messages are in no history",
    uses: ["historyBytes", "maxMessageBytes"],
    applies: (config) => config.historyBytes < config.maxMessageBytes,
  },
  {
    level: "warning",
    name: "TRUSTED_PROXIES",
    text: "trusts every address: anyone can claim any address",
    uses: ["trustedProxies"],
    applies: (config) => config.trustedProxies.some((network) => network.endsWith("/0")),
  },
  {
    level: "warning",
    name: "AUTHORIZER_TOKEN",
    text: "has no effect without AUTHORIZER_URL",
    uses: ["authorizerToken", "authorizerUrl"],
    applies: (config) => config.authorizerToken !== null && config.authorizerUrl === null,
  },
  {
    level: "warning",
    name: "FORWARDED_HEADER",
    text: "has no effect without TRUSTED_PROXIES",
    uses: ["forwardedHeader", "trustedProxies"],
    applies: (config, given) => given.has("forwardedHeader") && config.trustedProxies.length === 0,
  },
];
