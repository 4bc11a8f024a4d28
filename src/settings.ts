import ipaddr from "ipaddr.js";
import * as v from "valibot";

/**
 * Every setting: one row each, from which come the type of the configuration, the reading of environment and file, the
 * list of problems, and the table in the documentation.
 *
 * The texts of the checks are constants that never hold the value: a value may be a secret, also one put in the wrong variable.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const MAX_COUNT = 1_000_000_000;
const MAX_TIMER_MS = 2_147_483_647; // setTimeout fires at once above it
const MAX_BYTES = 1024 * MIB; // the engine counts in 32 bits

function integer(min: number, max: number) {
  const problem = `must be a whole number from ${min} to ${max}`;
  // Not Number(text) alone: that takes "", "0x10" and "1e3" too.
  const decimal = v.pipe(v.string(problem), v.regex(/^(0|[1-9]\d{0,15})$/, problem), v.transform(Number));
  return v.pipe(
    v.union([v.number(problem), decimal], problem),
    v.safeInteger(problem),
    v.minValue(min, problem),
    v.maxValue(max, problem),
  );
}

const count = integer(1, MAX_COUNT);
const bytes = integer(1, MAX_BYTES);
const milliseconds = integer(1, MAX_TIMER_MS);
const millisecondsOrZero = integer(0, MAX_TIMER_MS);

const YES_NO = "must be true or false";
const boolean = v.union(
  [
    v.boolean(),
    v.pipe(
      v.picklist(["true", "false"]),
      v.transform((word) => word === "true"),
    ),
  ],
  YES_NO,
);

function oneOf<const T extends readonly string[]>(names: T) {
  return v.picklist(names, `must be one of ${names.join(", ")}`);
}

function text(pattern: RegExp, problem: string) {
  return v.pipe(v.string(problem), v.regex(pattern, problem));
}

const anyText = v.string("must be text");
const line = text(/^[^\p{Cc}]{1,1024}$/u, "must be 1 to 1024 characters without control characters");
const name = text(/^[A-Za-z0-9_.-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 _ . -");
const role = text(/^[A-Za-z0-9_.:-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 _ . : -");
/** `token` of RFC 9110 section 5.6.2: the alphabet of header and cookie names. */
const token = text(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, "must be a name of at most 128 characters as HTTP allows it");
/** What a client can send in a header: anything else would never match. */
const credential = text(/^[\x21-\x7e]{1,1024}$/, "must be 1 to 1024 visible ASCII characters");

const apiKey = text(/^[\x21-\x7e]{16,1024}$/, "must be 16 to 1024 visible ASCII characters");

/** Text with commas, or an array in the file. */
function list<const S extends v.GenericSchema<string, string>>(entry: S) {
  const problem = "must be a list of texts";
  const parts = v.pipe(
    v.string(problem),
    v.transform((value) => value.split(",").map((part) => part.trim())),
  );
  const bound = v.maxLength<string[], 1000, string>(1000, "must have at most 1000 entries");
  return v.pipe(v.union([parts, v.array(v.string(problem), problem)], problem), bound, v.array(entry), v.readonly());
}

/** Which key an algorithm needs. RFC 7518 section 3.1, RFC 8037, RFC 9864. */
export const ALGORITHM_KEYS: ReadonlyMap<string, "secret" | "public"> = new Map([
  ...["HS256", "HS384", "HS512"].map((algorithm) => [algorithm, "secret"] as const),
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((algorithm) => [algorithm, "public"] as const),
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"].map((algorithm) => [algorithm, "public"] as const),
]);

const algorithm = v.pipe(
  anyText,
  v.check((value) => ALGORITHM_KEYS.has(value), `must be one of ${[...ALGORITHM_KEYS.keys()].join(", ")}`),
);

const publicKey = v.pipe(
  v.string("must be a public key in PEM"),
  v.check((pem) => !pem.includes("PRIVATE KEY-----"), "is a private key: give the public one"),
  v.regex(/^\s*-----BEGIN [A-Z0-9 ]+-----[^]+-----END [A-Z0-9 ]+-----\s*$/, "must be a public key in PEM"),
);

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

function isTlsOrLoopback(address: string): boolean {
  const url = URL.parse(address);
  if (url === null || url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}

const tlsUrl = v.pipe(
  anyText,
  v.check(isTlsOrLoopback, "must be an https URL without user and password (http only to this machine)"),
);

/** RFC 6454 section 6.2. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/;

const origin = v.pipe(
  anyText,
  v.check((value) => value !== "*", "is *: every site would be allowed; list the origins"),
  v.transform((value) => {
    const url = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s]+$/i.test(value) ? URL.parse(value) : null;
    // Schemes of apps, such as capacitor:, have no origin of their own.
    return url === null || url.origin === "null" ? value.toLowerCase() : url.origin;
  }),
  v.regex(ORIGIN, "must be an origin without path or wildcard, such as https://example.com"),
);

/** An address or CIDR whose host bits are zero: `10.0.0.1/8` is a mistake of which one cannot say what was meant. */
function isNetwork(range: string): boolean {
  const [address = "", prefix, ...rest] = range.split("/");
  // ipaddr.js also takes "10.1", octal and hexadecimal IPv4, which people and other programs read differently.
  const is4 = ipaddr.IPv4.isValidFourPartDecimal(address);
  if (!is4 && (!ipaddr.IPv6.isValid(address) || address.includes("%"))) return false;
  if (rest.length > 0 || (!is4 && ipaddr.IPv6.parse(address).isIPv4MappedAddress())) return false;
  if (prefix === undefined) return true;
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > (is4 ? 32 : 128)) return false;
  const network = is4 ? ipaddr.IPv4.networkAddressFromCIDR(range) : ipaddr.IPv6.networkAddressFromCIDR(range);
  return network.toNormalizedString() === ipaddr.parse(address).toNormalizedString();
}

const network = v.pipe(anyText, v.check(isNetwork, "must be an IP address, or a CIDR whose host bits are zero"));

const header = v.pipe(
  token,
  v.transform((value) => value.toLowerCase()),
  // Its syntax is another (RFC 7239): read as a list of addresses it would always fall back to the peer.
  v.check((value) => value !== "forwarded", "is Forwarded, which is not supported: use x-forwarded-for or one like it"),
);

/** Its parts are read by the broker; what is wrong with it is not said, since it may hold a password. */
const brokerUrl = text(
  /^(?:memory:\/\/|rediss?(?:-sentinel)?:\/\/[^\s\p{Cc}]+)$/u,
  "must be memory:// or addresses such as redis://host:6379/0",
);

const DATABASE = /^sqlite:(?:\/\/(\/[^?#\p{Cc}]+)|([^/?#\p{Cc}][^?#\p{Cc}]*))$/u;

/** The path in a `DATABASE_URL`: `sqlite:data/x.db` is relative to the working directory, `sqlite:///srv/x.db` absolute. */
export function databasePath(url: string): string {
  const match = DATABASE.exec(url);
  return match?.[1] ?? match?.[2] ?? "";
}

const databaseUrl = text(DATABASE, "must be sqlite:relative/path or sqlite:///absolute/path");

/** The bound of sun_path, less its NUL: a longer path is cut silently. */
const socketPath = v.pipe(
  line,
  v.check((path) => new TextEncoder().encode(path).length <= 107, "must be a path of at most 107 bytes"),
);

export interface About {
  /** For the table: what it does, with its unit. */
  readonly meaning: string;
  /** For the table, where the default is not a constant. */
  readonly fallback?: string;
  /** `NAME_FILE` may name a file that holds the value. */
  readonly file?: true;
  /** Refused when set: better than a setting that silently does nothing. */
  readonly since?: "not yet";
  /** Means nothing in the file. */
  readonly environmentOnly?: true;
}

type Extra = Omit<About, "meaning">;

function row<const S extends v.GenericSchema, const D extends v.Default<S, undefined>>(
  schema: S,
  fallback: D,
  meaning: string,
  extra: Extra = {},
) {
  return v.pipe(v.optional(schema, fallback), v.metadata({ meaning, ...extra }));
}

/** A setting that is null unless set. */
function unset<const S extends v.GenericSchema>(schema: S, meaning: string, extra: Extra = {}) {
  return v.pipe(v.optional(v.nullable(schema), null), v.metadata({ meaning, ...extra }));
}

const FILE: Extra = { file: true };
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

export const Settings = v.object({
  host: row(line, "127.0.0.1", "Address to listen on."),
  port: row(integer(0, 65_535), 8080, "TCP port; 0 takes a free one."),
  unixSocket: unset(socketPath, "Path of a Unix socket to listen on instead of `HOST` and `PORT`."),
  nodeId: unset(name, "Name of this node in logs and statistics.", { fallback: "random" }),
  logLevel: row(oneOf(LOG_LEVELS), "info", `Least level that is logged: ${LOG_LEVELS.join(", ")}.`),
  auditFile: unset(line, "File that audit events are appended to; unset: they go into the log."),
  tautlineConfig: unset(line, "Path of a TOML file with settings.", { environmentOnly: true }),

  jwtSecret: unset(anyText, "Secret of HS256 tokens, at least 32 bytes (HS384 48, HS512 64).", {
    ...FILE,
    fallback: "random; required in production unless one of the next two is set",
  }),
  jwtPublicKey: unset(publicKey, "Public key in PEM of tokens that are signed elsewhere.", FILE),
  jwksUrl: unset(tlsUrl, "URL of a JWK set; https, or http to this machine."),
  jwtAlgorithms: row(list(algorithm), [], "Accepted algorithms, with commas.", {
    fallback: "HS256 for a secret, all that fit a public key",
  }),
  jwtIssuer: unset(line, "Required `iss`."),
  jwtAudience: unset(line, "Required `aud`."),
  jwtTyp: unset(line, "Required `typ` of the token's header, such as `at+jwt`."),
  jwtUserIdClaim: row(line, "sub", "Claim that holds the user's id."),
  clockToleranceS: row(integer(0, 60), 5, "Seconds by which clocks may differ; may be 0."),
  maxTokenLifetimeS: unset(count, "Tokens that live for more seconds are refused.", { fallback: "off" }),
  defaultRole: row(role, "user", "Role of a token that names none."),
  tokenTtlS: row(count, 3600, "Seconds a token from login lives."),
  cookieName: row(token, "access_token", "Cookie that may hold the token."),
  tokenInQuery: row(boolean, true, "Whether `?token=` is accepted."),
  allowedOrigins: row(list(origin), [], "Origins of web pages that may connect, with commas."),
  trustedProxies: row(list(network), [], "Addresses and CIDRs of proxies whose forwarding headers count, with commas."),
  forwardedHeader: row(header, "x-forwarded-for", "Header in which those proxies name the client."),

  brokerUrl: row(
    brokerUrl,
    "memory://",
    "How nodes share: `memory://` is one node alone, `redis://host:6379/0` several; more addresses with commas between.",
    FILE,
  ),
  databaseUrl: row(databaseUrl, "sqlite:data/tautline.db", "Accounts: `sqlite:relative` or `sqlite:///absolute`."),
  accounts: unset(oneOf(["on", "login", "off"]), "`on`: login and registration; `login`: login only; `off`: neither.", {
    fallback: "`on`; `off` in production or without `JWT_SECRET`",
  }),
  apiKey: unset(apiKey, "Key of the backend for the HTTP API; unset: tokens with `system.publish` only.", FILE),
  metricsToken: unset(credential, "Bearer token of `/metrics`; unset: open, in production 404.", FILE),
  authorizerUrl: unset(tlsUrl, "HTTP hook that decides access to topics; https, or http to this machine."),
  authorizerToken: unset(credential, "Bearer token that the hook is asked with.", FILE),
  console: row(boolean, false, "Whether `/` serves the web console.", { since: "not yet" }),

  maxMessageBytes: row(bytes, 64 * KIB, "Bytes of one message."),
  maxTopicsPerConnection: row(count, 128, "Topics that one connection may join."),
  maxConnections: unset(count, "Connections of the node.", { fallback: "what its file descriptors allow" }),
  maxConnectionsPerUser: row(count, 10, "Connections of one user."),
  maxPendingConnections: row(count, 1000, "Connections of the node that have not authenticated yet."),
  messagesPerSecond: row(count, 20, "Messages per second and user; one counts 1 per started 4 KiB."),
  messageBurst: row(count, 40, "Messages that may come at once."),
  joinsPerSecond: row(count, 10, "Joins per second and user."),
  joinBurst: row(count, 256, "Joins that may come at once."),
  handshakesPerSecond: row(count, 50, "Handshakes per second and address."),
  handshakeBurst: row(count, 200, "Handshakes that may come at once."),
  authFailuresPerMinute: row(count, 20, "Failed authentications per minute and address."),
  maxUnsentBytes: row(bytes, MIB, "Bytes that may wait for one connection before it is closed 4013."),
  maxTotalUnsentBytes: row(
    integer(1, 1024 * MAX_BYTES),
    256 * MIB,
    "Bytes that may wait for all connections before those with the most are closed 4013.",
  ),
  maxStreamBytes: row(bytes, 8 * MIB, "Bytes of one streaming request."),
  authDeadlineMs: row(milliseconds, 10_000, "Milliseconds on `/` until the connection must be authenticated."),
  pingIntervalMs: row(milliseconds, 30_000, "Milliseconds between pings."),
  pongTimeoutMs: row(milliseconds, 90_000, "Milliseconds of silence after which a connection is ended."),
  historySize: row(count, 100, "Messages kept per topic."),
  historyBytes: row(bytes, 256 * KIB, "Bytes kept per topic."),
  historyTtlMs: row(milliseconds, 300_000, "Milliseconds a message is kept."),
  maxHistoryBytes: row(integer(1, 1024 * MAX_BYTES), 256 * MIB, "Bytes kept by the node over all topics."),
  presenceFullMax: row(count, 200, "Users in a topic up to which joins and leaves are announced one by one."),
  presenceGraceMs: row(millisecondsOrZero, 5000, "Milliseconds a broken connection stays a member; may be 0."),
  drainDelayMs: row(millisecondsOrZero, 0, "Milliseconds between `/ready` 503 and refusing upgrades; may be 0."),
  drainMs: row(milliseconds, 10_000, "Milliseconds over which a drain closes connections."),
  overloadDelayMs: row(milliseconds, 200, "Milliseconds of event loop delay above which upgrades get 503."),
});

export type SettingKey = keyof typeof Settings.entries;

/** `maxMessageBytes` → `MAX_MESSAGE_BYTES`. */
export function settingName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

export interface Setting {
  readonly key: SettingKey;
  readonly name: string;
  readonly about: About;
  /** As it is before environment and file: null is unset. */
  readonly fallback: unknown;
}

function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(Settings.entries, key);
}

export const SETTINGS: readonly Setting[] = Object.keys(Settings.entries)
  .filter(isSettingKey)
  .map((key) => {
    const entry = Settings.entries[key];
    return { key, name: settingName(key), about: v.getMetadata(entry), fallback: v.getDefault(entry) };
  });
