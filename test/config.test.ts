import { describe, expect, test } from "bun:test";
import { configTable, withTable } from "../scripts/config-table.ts";
import { DEFAULT_ACCESS } from "../src/access.ts";
import { ConfigError, loadConfig, type Config, type Environment, type Problem } from "../src/config.ts";
import { SETTINGS, settingName } from "../src/settings.ts";

const SECRET = "correct-horse-battery-staple-0123456789-correct-horse-battery-st";
const PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";

/** Files of the tests by path; any other path is missing, as the system reports it. */
function readFrom(files: Readonly<Record<string, string>>): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
    return text;
  };
}

function load(env: Environment, files: Readonly<Record<string, string>> = {}): Config {
  return loadConfig(env, readFrom(files)).config;
}

function warningsOf(env: Environment): string[] {
  return loadConfig({ JWT_SECRET: SECRET, ...env }, readFrom({})).warnings;
}

function errorOf(env: Environment, files: Readonly<Record<string, string>> = {}): ConfigError {
  try {
    load(env, files);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

function namesOf(env: Environment, files: Readonly<Record<string, string>> = {}): string[] {
  return errorOf(env, files).problems.map(({ name }: Problem) => name);
}

function loadToml(toml: string, env: Environment = {}): Config {
  return load({ JWT_SECRET: SECRET, TAUTLINE_CONFIG: "t.toml", ...env }, { "t.toml": toml });
}

function namesInToml(toml: string): string[] {
  return namesOf({ JWT_SECRET: SECRET, TAUTLINE_CONFIG: "t.toml" }, { "t.toml": toml });
}

const DEFAULTS = {
  host: "127.0.0.1",
  port: 8080,
  unixSocket: null,
  logLevel: "info",
  auditFile: null,
  tautlineConfig: null,
  jwtPublicKey: null,
  jwksUrl: null,
  jwtAlgorithms: [],
  jwtIssuer: null,
  jwtAudience: null,
  jwtTyp: null,
  jwtUserIdClaim: "sub",
  clockToleranceS: 5,
  maxTokenLifetimeS: null,
  defaultRole: "user",
  tokenTtlS: 3600,
  cookieName: "access_token",
  tokenInQuery: true,
  allowedOrigins: [],
  trustedProxies: [],
  forwardedHeader: "x-forwarded-for",
  brokerUrl: "memory://",
  databaseUrl: "sqlite:data/tautline.db",
  databasePath: "data/tautline.db",
  accounts: "on",
  apiKey: null,
  metricsToken: null,
  authorizerUrl: null,
  authorizerToken: null,
  console: false,
  maxMessageBytes: 65_536,
  maxTopicsPerConnection: 128,
  maxConnections: null,
  maxConnectionsPerUser: 10,
  maxPendingConnections: 1000,
  messagesPerSecond: 20,
  messageBurst: 40,
  joinsPerSecond: 10,
  joinBurst: 256,
  handshakesPerSecond: 50,
  handshakeBurst: 200,
  authFailuresPerMinute: 20,
  maxUnsentBytes: 1_048_576,
  maxTotalUnsentBytes: 268_435_456,
  maxStreamBytes: 8_388_608,
  authDeadlineMs: 10_000,
  pingIntervalMs: 30_000,
  pongTimeoutMs: 90_000,
  historySize: 100,
  historyBytes: 262_144,
  historyTtlMs: 300_000,
  maxHistoryBytes: 268_435_456,
  presenceFullMax: 200,
  presenceGraceMs: 5000,
  drainDelayMs: 0,
  drainMs: 10_000,
  overloadDelayMs: 200,
  production: false,
  access: DEFAULT_ACCESS,
} as const;

describe("defaults", () => {
  test("every setting has the documented default", () => {
    const { nodeId, jwtSecret, generatedSecret, ...rest } = load({});
    expect(rest).toEqual(DEFAULTS);
    expect(nodeId).toMatch(/^node-[0-9a-f]{8}$/);
    expect(jwtSecret).toMatch(/^[\w-]{86}$/);
    expect(generatedSecret).toBe(true);
  });

  test("two processes make different secrets and node ids", () => {
    const [one, two] = [load({}), load({})];
    expect(one.jwtSecret).not.toBe(two.jwtSecret);
    expect(one.nodeId).not.toBe(two.nodeId);
  });

  test("the configuration and its lists are frozen", () => {
    const config = load({ TRUSTED_PROXIES: "10.0.0.0/8" });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.trustedProxies)).toBe(true);
  });

  test("every key of the configuration has its name in upper snake case", () => {
    for (const { key, name } of SETTINGS) expect(settingName(key)).toBe(name);
    expect(SETTINGS.map(({ name }) => name)).toContain("MAX_TOPICS_PER_CONNECTION");
  });
});

describe("values", () => {
  test.each([
    ["PORT", "0", "port", 0],
    ["DRAIN_DELAY_MS", "0", "drainDelayMs", 0],
    ["PRESENCE_GRACE_MS", "0", "presenceGraceMs", 0],
    ["PRESENCE_FULL_MAX", "1000", "presenceFullMax", 1000],
    ["CLOCK_TOLERANCE_S", "0", "clockToleranceS", 0],
    ["MAX_CONNECTIONS", "5000", "maxConnections", 5000],
    ["TOKEN_IN_QUERY", "false", "tokenInQuery", false],
    ["LOG_LEVEL", "silent", "logLevel", "silent"],
    ["ACCOUNTS", "login", "accounts", "login"],
    ["NODE_ID", "eu-1", "nodeId", "eu-1"],
    ["COOKIE_NAME", "__Host-access_token", "cookieName", "__Host-access_token"],
    ["BROKER_URL", "memory://", "brokerUrl", "memory://"],
    ["DATABASE_URL", "sqlite:///srv/t.db", "databasePath", "/srv/t.db"],
    ["DATABASE_URL", "sqlite:x/t.db", "databasePath", "x/t.db"],
    ["FORWARDED_HEADER", "CF-Connecting-IP", "forwardedHeader", "cf-connecting-ip"],
    [
      "ALLOWED_ORIGINS",
      "HTTPS://Example.com:443, http://b.test:3000",
      "allowedOrigins",
      ["https://example.com", "http://b.test:3000"],
    ],
    ["ALLOWED_ORIGINS", "capacitor://localhost", "allowedOrigins", ["capacitor://localhost"]],
    [
      "TRUSTED_PROXIES",
      "10.0.0.0/8,192.0.2.7,fd00::/8,::1",
      "trustedProxies",
      ["10.0.0.0/8", "192.0.2.7", "fd00::/8", "::1"],
    ],
    ["JWKS_URL", "http://127.0.0.1:9000/jwks", "jwksUrl", "http://127.0.0.1:9000/jwks"],
    ["JWT_PUBLIC_KEY", PEM, "jwtPublicKey", PEM],
  ] as const)("%s=%s is read", (name, value, key, expected) => {
    expect(load({ [name]: value })[key]).toEqual(expected);
  });

  const CANARY = "c4nary-9f81";
  test.each([
    ...["0", "-1", "NaN", "Infinity", "abc", "1e3", "0x10", "1.5", "007", " 5", "+5", "99999999999999999999"].flatMap(
      (value) => [
        ["MAX_CONNECTIONS_PER_USER", value],
        ["MESSAGES_PER_SECOND", value],
      ],
    ),
    ["PORT", "65536"],
    ["CLOCK_TOLERANCE_S", "61"],
    ["PING_INTERVAL_MS", "2147483648"],
    ["DRAIN_MS", "0"],
    ["OVERLOAD_DELAY_MS", "0"],
    ["MAX_MESSAGE_BYTES", "64KiB"],
    ["TOKEN_IN_QUERY", "yes"],
    ["TOKEN_IN_QUERY", "TRUE"],
    ["TOKEN_IN_QUERY", "1"],
    ["LOG_LEVEL", CANARY],
    ["ACCOUNTS", CANARY],
    ["NODE_ID", `${CANARY} ${CANARY}`],
    ["HOST", `${CANARY}\n`],
    ["UNIX_SOCKET", `/tmp/${CANARY}${"x".repeat(120)}`],
    ["COOKIE_NAME", `${CANARY};`],
    ["METRICS_TOKEN", `${CANARY} ${CANARY}`],
    ["DEFAULT_ROLE", `${CANARY}!`],
    ["JWT_ALGORITHMS", "none"],
    ["JWT_ALGORITHMS", "HS256,hs256"],
    ["JWT_ALGORITHMS", "HS256,"],
    ["JWT_PUBLIC_KEY", CANARY],
    ["JWT_PUBLIC_KEY", `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----`],
    ["JWKS_URL", `http://${CANARY}.test/jwks`],
    ["JWKS_URL", `https://user:${CANARY}@a.test/jwks`],
    ["JWKS_URL", CANARY],
    ["ALLOWED_ORIGINS", "*"],
    ["ALLOWED_ORIGINS", "null"],
    ["ALLOWED_ORIGINS", `https://*.${CANARY}.test`],
    ["ALLOWED_ORIGINS", `https://${CANARY}.test/path`],
    ["ALLOWED_ORIGINS", `https://user:${CANARY}@a.test`],
    ["ALLOWED_ORIGINS", `${CANARY}.test`],
    ...[
      "10.0.0.0/33",
      "10.0.0.1/8",
      "10.1/16",
      "010.0.0.0/8",
      "0x0a.0.0.0/8",
      "fd00::1/8",
      "fe80::1%eth0",
      "10.0.0.0/8/8",
      "10.0.0.0/",
      "::ffff:10.0.0.1",
      "all",
    ].map((value) => ["TRUSTED_PROXIES", value]),
    ["FORWARDED_HEADER", "Forwarded"],
    ["FORWARDED_HEADER", "x forwarded"],
    ["BROKER_URL", `redis:/:${CANARY}@a.test`],
    ["BROKER_URL", `nats://${CANARY}`],
    ["DATABASE_URL", `postgres://u:${CANARY}@a.test/db`],
    ["DATABASE_URL", "sqlite:"],
    ["DATABASE_URL", "sqlite://a.test/x"],
  ])("%s=%p stops the start with the variable's name and without the value", (name = "", value = "") => {
    const error = errorOf({ JWT_SECRET: SECRET, [name]: value });
    expect(error.problems.map((problem) => problem.name)).toContain(name);
    expect(error.message).toContain(name);
    expect(error.message).not.toContain(CANARY);
  });

  test("no setting is accepted when it is empty", () => {
    for (const { name } of SETTINGS) expect(namesOf({ [name]: "" })).toContain(name);
  });

  test("every setting is listed by name when all are wrong, and no value is shown", () => {
    const bad = "c4nary\u0000 \n";
    const anyText = new Set(["JWT_SECRET", "TAUTLINE_CONFIG"]);
    const names = SETTINGS.map(({ name }) => name).filter((name) => !anyText.has(name));
    const error = errorOf({ JWT_SECRET: SECRET, ...Object.fromEntries(names.map((name) => [name, bad])) });
    expect(new Set(error.problems.map(({ name }) => name))).toEqual(new Set(names));
    expect(error.message).not.toContain("c4nary");
  });

  test("the entry of a list is named by its place", () => {
    const { problems } = errorOf({ TRUSTED_PROXIES: "10.0.0.1,nonsense" });
    expect(problems).toHaveLength(1);
    expect(problems[0]?.problem).toStartWith("entry 2 ");
  });

  test.each(["CONSOLE"])("%s is refused while its feature is not there", (name) => {
    expect(namesOf({ [name]: "true" })).toEqual([name]);
  });

  test("an API key has at least 16 visible characters", () => {
    expect(load({ API_KEY: "k".repeat(16) }).apiKey).toBe("k".repeat(16));
    expect(load({ API_KEY_FILE: "/k" }, { "/k": `${"k".repeat(40)}\n` }).apiKey).toBe("k".repeat(40));
    for (const key of ["k".repeat(15), `${"k".repeat(16)} k`, "ключ".repeat(8)]) {
      expect(namesOf({ API_KEY: key })).toEqual(["API_KEY"]);
    }
  });
});

describe("secrets", () => {
  test("a secret comes from a file, without its last newline", () => {
    const config = load({ JWT_SECRET_FILE: "/s" }, { "/s": `${SECRET}\n` });
    expect(config.jwtSecret).toBe(SECRET);
    expect(config.generatedSecret).toBe(false);
    expect(load({ METRICS_TOKEN_FILE: "/m" }, { "/m": "m-token\r\n" }).metricsToken).toBe("m-token");
    expect(load({ JWT_PUBLIC_KEY_FILE: "/k" }, { "/k": PEM }).jwtPublicKey).toBe(PEM.trimEnd());
  });

  test("a secret that is set twice, missing, empty or too large is named by its variable", () => {
    expect(namesOf({ JWT_SECRET: SECRET, JWT_SECRET_FILE: "/s" }, { "/s": SECRET })).toEqual(["JWT_SECRET"]);
    expect(namesOf({ JWT_SECRET_FILE: "/none" })).toEqual(["JWT_SECRET_FILE"]);
    expect(namesOf({ JWT_SECRET_FILE: "/s" }, { "/s": "\n" })).toEqual(["JWT_SECRET_FILE"]);
    expect(namesOf({ JWT_SECRET_FILE: "/s" }, { "/s": "x".repeat(70_000) })).toEqual(["JWT_SECRET_FILE"]);
    expect(namesOf({ METRICS_TOKEN_FILE: "/m" }, { "/m": "two words" })).toEqual(["METRICS_TOKEN_FILE"]);
  });

  test("a secret put where its file's path belongs is not shown", () => {
    expect(errorOf({ JWT_SECRET_FILE: SECRET }).message).not.toContain(SECRET);
  });

  test("only secrets and keys are read from files", () => {
    const withFile = SETTINGS.filter(({ about }) => about.file === true).map(({ name }) => name);
    expect(withFile).toEqual([
      "JWT_SECRET",
      "JWT_PUBLIC_KEY",
      "BROKER_URL",
      "API_KEY",
      "METRICS_TOKEN",
      "AUTHORIZER_TOKEN",
    ]);
  });

  test.each([
    ["HS256", 32],
    ["HS384", 48],
    ["HS512", 64],
  ] as const)("%s needs a secret of %d bytes", (algorithm, bytes) => {
    const env = { JWT_ALGORITHMS: algorithm };
    expect(load({ ...env, JWT_SECRET: SECRET.slice(0, bytes) }).jwtAlgorithms).toEqual([algorithm]);
    const short = SECRET.slice(0, bytes - 1);
    const error = errorOf({ ...env, JWT_SECRET: short });
    expect(error.problems.map(({ name }) => name)).toEqual(["JWT_SECRET"]);
    expect(error.message).not.toContain(short);
  });

  test("the length of a secret counts in bytes", () => {
    expect(load({ JWT_SECRET: "é".repeat(16) }).generatedSecret).toBe(false);
    expect(namesOf({ JWT_SECRET: "é".repeat(15) })).toEqual(["JWT_SECRET"]);
  });
});

describe("the TOML file", () => {
  test("its keys are the names in lower case, its lists may be arrays or text", () => {
    const config = loadToml(
      'port = 9000\ntoken_in_query = false\ntrusted_proxies = ["10.0.0.0/8"]\nallowed_origins = "https://a.test,https://b.test"',
    );
    expect(config.port).toBe(9000);
    expect(config.tokenInQuery).toBe(false);
    expect(config.trustedProxies).toEqual(["10.0.0.0/8"]);
    expect(config.allowedOrigins).toEqual(["https://a.test", "https://b.test"]);
  });

  test("the environment beats it, also a file of the environment a secret of it", () => {
    expect(loadToml("port = 9000\nhost = '::1'", { PORT: "9001" })).toMatchObject({ port: 9001, host: "::1" });
    const files = { "t.toml": "jwt_secret = 'of-the-toml-file-0123456789-0123456789'", "/s": SECRET };
    expect(load({ TAUTLINE_CONFIG: "t.toml", JWT_SECRET_FILE: "/s" }, files).jwtSecret).toBe(SECRET);
  });

  test("it may name the file of a secret", () => {
    const files = { "t.toml": "jwt_secret_file = '/s'", "/s": SECRET };
    expect(load({ TAUTLINE_CONFIG: "t.toml" }, files).jwtSecret).toBe(SECRET);
  });

  test.each([
    ["colour = 1", ["colour"]],
    ["PORT = 1", ["PORT"]],
    ["port_file = '/x'", ["port_file"]],
    ["tautline_config = 'x'", ["tautline_config"]],
    ["__proto__ = 1", ["__proto__"]],
    ["'a\\u001b[2J' = 1", ["a?u001b?2J"]],
    ["[server]\nport = 1", ["server"]],
    ["port = 1.5", ["PORT"]],
    ["port = nan", ["PORT"]],
    ["port = true", ["PORT"]],
    ["port = 1979-05-27", ["PORT"]],
    ["host = 5", ["HOST"]],
    ["token_in_query = 'yes'", ["TOKEN_IN_QUERY"]],
    ["trusted_proxies = [1]", ["TRUSTED_PROXIES"]],
    ["jwt_algorithms = ['none']", ["JWT_ALGORITHMS"]],
    ["metrics_token_file = 5", ["METRICS_TOKEN_FILE"]],
    ["port = 'x'\nmax_connections = 0\ncolour = 1", ["colour", "PORT", "MAX_CONNECTIONS"]],
  ])("%p is refused by name", (toml, names) => {
    expect(namesInToml(toml)).toEqual(names);
  });

  test("a file that is missing or is not TOML is one problem, which quotes nothing of it", () => {
    expect(namesOf({ TAUTLINE_CONFIG: "/none" })).toEqual(["TAUTLINE_CONFIG"]);
    const { problems, message } = errorOf({ TAUTLINE_CONFIG: "t" }, { t: "port = 1\njwt_secret = c4nary c4nary" });
    expect(problems).toEqual([{ name: "TAUTLINE_CONFIG", problem: "is not valid TOML after line 1" }]);
    expect(message).not.toContain("c4nary");
  });

  test("a wrong type of a secret does not show it", () => {
    const { problems, message } = errorOf({ TAUTLINE_CONFIG: "t" }, { t: "jwt_secret = 31415926535" });
    expect(problems.map(({ name }) => name)).toEqual(["JWT_SECRET"]);
    expect(message).not.toContain("31415926535");
  });
});

describe("settings together", () => {
  test.each([
    [{ PONG_TIMEOUT_MS: "30000" }, "PONG_TIMEOUT_MS"],
    [{ MESSAGE_BURST: "19" }, "MESSAGE_BURST"],
    [{ MESSAGES_PER_SECOND: "1", MESSAGE_BURST: "15" }, "MESSAGE_BURST"],
    [{ JOIN_BURST: "9" }, "JOIN_BURST"],
    [{ HANDSHAKE_BURST: "49" }, "HANDSHAKE_BURST"],
    [{ MAX_UNSENT_BYTES: "393215" }, "MAX_UNSENT_BYTES"],
    [{ MAX_TOTAL_UNSENT_BYTES: "1048575" }, "MAX_TOTAL_UNSENT_BYTES"],
    [{ MAX_HISTORY_BYTES: "262143" }, "MAX_HISTORY_BYTES"],
    [{ JWT_ALGORITHMS: "RS256" }, "JWT_ALGORITHMS"],
    [{ JWT_ALGORITHMS: "HS256,RS256" }, "JWT_ALGORITHMS"],
    [{ JWT_ALGORITHMS: "RS256", JWT_PUBLIC_KEY: PEM }, "JWT_ALGORITHMS"],
    [{ JWT_SECRET: undefined, JWT_PUBLIC_KEY: PEM, JWT_ALGORITHMS: "HS256" }, "JWT_ALGORITHMS"],
    [{ JWT_SECRET: undefined, JWT_PUBLIC_KEY: PEM, ACCOUNTS: "login" }, "ACCOUNTS"],
    [{ JWT_USER_ID_CLAIM: "username" }, "JWT_USER_ID_CLAIM"],
    [{ JWT_PUBLIC_KEY: PEM, JWKS_URL: "https://a.test/jwks" }, "JWT_PUBLIC_KEY"],
    [{ MAX_TOKEN_LIFETIME_S: "3599" }, "TOKEN_TTL_S"],
    [{ UNIX_SOCKET: "/run/t.sock", PORT: "8080" }, "UNIX_SOCKET"],
  ] as const)("%p is a contradiction", (env, name) => {
    expect(namesOf({ JWT_SECRET: SECRET, ...env })).toContain(name);
  });

  test("values at the edge of a contradiction are accepted", () => {
    const env = {
      PONG_TIMEOUT_MS: "30001",
      JOIN_BURST: "10",
      MAX_UNSENT_BYTES: "393216",
      MAX_TOTAL_UNSENT_BYTES: "393216",
      MAX_TOKEN_LIFETIME_S: "3600",
    };
    expect(load({ JWT_SECRET: SECRET, ...env })).toMatchObject({ pongTimeoutMs: 30_001, maxUnsentBytes: 393_216 });
    // A recovery comes in parts, at the pace at which it is read: a history may be larger than what may be unsent.
    expect(load({ JWT_SECRET: SECRET, ...env, HISTORY_BYTES: "9000000" })).toMatchObject({ historyBytes: 9_000_000 });
  });

  test("a wrong value is not reported a second time as a contradiction, other contradictions still are", () => {
    expect(namesOf({ PONG_TIMEOUT_MS: "x", JOIN_BURST: "1" })).toEqual(["PONG_TIMEOUT_MS", "JOIN_BURST"]);
  });

  test("what is allowed but unwise is a warning that starts with the name", () => {
    expect(warningsOf({})).toEqual([]);
    const names = warningsOf({
      NODE_ENV: "prod",
      HOST: "0.0.0.0",
      MAX_UNSENT_BYTES: "500000",
      TRUSTED_PROXIES: "0.0.0.0/0",
    }).map((warning) => warning.split(" ")[0]);
    expect(names).toEqual(["NODE_ENV", "HOST", "MAX_UNSENT_BYTES", "TRUSTED_PROXIES"]);
    expect(warningsOf({ FORWARDED_HEADER: "x-real-ip" })[0]).toStartWith("FORWARDED_HEADER ");
    expect(loadConfig({}, readFrom({})).warnings[0]).toStartWith("JWT_SECRET ");
  });
});

describe("production", () => {
  const production = { NODE_ENV: "production" };

  test("a key is required, and named as missing", () => {
    expect(namesOf(production)).toEqual(["JWT_SECRET"]);
    expect(namesOf({ ...production, PORT: "x" })).toEqual(["PORT", "JWT_SECRET"]);
  });

  test("any of the three keys will do, and none is made", () => {
    expect(load({ ...production, JWT_SECRET: SECRET })).toMatchObject({ production: true, generatedSecret: false });
    expect(load({ ...production, JWT_PUBLIC_KEY: PEM }).jwtSecret).toBeNull();
    expect(load({ ...production, JWKS_URL: "https://a.test/jwks" }).jwtSecret).toBeNull();
  });

  test("accounts are off unless they are turned on", () => {
    expect(load({ ...production, JWT_SECRET: SECRET }).accounts).toBe("off");
    expect(load({ ...production, JWT_SECRET: SECRET, ACCOUNTS: "on" }).accounts).toBe("on");
  });

  test("with a public key alone there are no accounts anywhere", () => {
    expect(load({ JWT_PUBLIC_KEY: PEM })).toMatchObject({ accounts: "off", jwtSecret: null, generatedSecret: false });
  });
});

describe("the table of settings", () => {
  test("names every setting once", () => {
    const rows = configTable().split("\n").slice(2);
    expect(rows.map((row) => row.split("`")[1])).toEqual(SETTINGS.map(({ name }) => name));
  });

  test("is written between the markers, again and again the same", () => {
    const document = "a\n<!-- config:start -->\nold\n<!-- config:end -->\nb\n";
    const once = withTable(document, "| t |");
    expect(once).toBe("a\n<!-- config:start -->\n\n| t |\n\n<!-- config:end -->\nb\n");
    expect(withTable(once ?? "", "| t |")).toBe(once);
    expect(withTable("no markers", "| t |")).toBeNull();
  });

  test("is up to date in the documentation", async () => {
    const script = new URL("../scripts/config-table.ts", import.meta.url).pathname;
    const check = Bun.spawn([process.execPath, script, "--check"], { stdout: "pipe" });
    expect(await new Response(check.stdout).text()).toBe("");
    expect(await check.exited).toBe(0);
  });
});
