import type { Namespace } from "../access.ts";
import type { TokenValidator } from "../auth/token-validator.ts";
import { type Config, ConfigError, configOf, type Problem, type SettingInputs } from "../config.ts";
import type { PermissionChecker } from "./permission-checker.ts";

/** Every setting of docs/operations.md, "Configuration", by its name in camel case. Where it listens is said to `listen`. */
export type ServerSettings = Omit<SettingInputs, "host" | "port" | "unixSocket">;

/** Who may do what, where it differs from the table of docs/protocol.md, "Topics and rooms". */
export interface AccessInputs {
  /** By name, `[a-z][a-z0-9-]{0,31}`; one that is given replaces the default of its name as a whole. */
  readonly namespaces?: Readonly<Record<string, Namespace>> | undefined;
  /** Permission → the roles that have it; one that is given replaces the default of its name. */
  readonly permissions?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Single topics that every user may read. Default: `system:status`. */
  readonly publicTopics?: readonly string[] | undefined;
}

/** Who somebody is and what they may do, where the application decides that itself. */
export interface Decisions extends AccessInputs {
  /** Instead of the node's own check of JWTs, wherever a token comes. */
  readonly tokenValidator?: TokenValidator | undefined;
  /** Instead of the rules for topics. */
  readonly permissionChecker?: PermissionChecker | undefined;
  /** Where the log goes: a file descriptor or a path. Default: 1, standard output. Nowhere with `logLevel: "silent"`. */
  readonly logTarget?: number | string | undefined;
}

export interface Checked {
  readonly config: Config;
  readonly warnings: readonly string[];
  readonly logTarget: number | string;
}

const NOWHERE = "/dev/null";
const STDOUT = 1;
const RANDOM_SECRET_BYTES = 64;

/** What an own validator puts out of use: set, it would do nothing. */
const OF_OWN_TOKENS = [
  ...["jwtSecret", "jwtPublicKey", "jwksUrl", "jwtAlgorithms", "jwtIssuer", "jwtAudience", "jwtTyp"],
  ...["jwtUserIdClaim", "maxTokenLifetimeS", "tokenTtlS", "accounts"],
];

/** What a problem of a callback is about: its name and what was given. */
type Functions = Readonly<Record<string, unknown>>;

/** Throws `ConfigError` with everything that is wrong. `settings` may hold keys that are none, `functions` what is no function. */
export function checkOptions(settings: SettingInputs, decisions: Decisions, functions: Functions): Checked {
  const { tokenValidator, permissionChecker, namespaces, permissions, publicTopics, logTarget } = decisions;
  const problems: Problem[] = [];
  for (const [name, given] of Object.entries(functions)) {
    if (given !== undefined && typeof given !== "function") problems.push({ name, problem: "must be a function" });
  }
  if (tokenValidator !== undefined) problems.push(...idle(settings, OF_OWN_TOKENS, "tokenValidator"));
  if (permissionChecker !== undefined)
    problems.push(...idle(settings, ["authorizerUrl", "authorizerToken"], "permissionChecker"));
  // Tickets are the node's own, and so is the key that nothing else is checked with.
  const own = tokenValidator === undefined ? {} : { jwtSecret: randomSecret() };
  const { config, warnings } = loaded({ ...settings, ...own }, { namespaces, permissions, publicTopics }, problems);
  const isSilent = config.logLevel === "silent" && logTarget === undefined;
  return { config, warnings, logTarget: isSilent ? NOWHERE : (logTarget ?? STDOUT) };
}

function loaded(
  settings: SettingInputs,
  { namespaces, permissions, publicTopics }: AccessInputs,
  problems: readonly Problem[],
): ReturnType<typeof configOf> {
  try {
    const result = configOf(settings, { namespaces, permissions, public_topics: publicTopics });
    if (problems.length === 0) return result;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError([...problems, ...error.problems]);
  }
  throw new ConfigError(problems);
}

/** Settings that are given and would do nothing. */
function idle(settings: SettingInputs, names: readonly string[], beside: string): Problem[] {
  const given = Object.entries(settings).filter(([name, value]) => {
    return names.includes(name) && value !== undefined && value !== null && value !== "off";
  });
  return given.map(([name]) => ({ name, problem: `has no effect beside ${beside}: leave it out` }));
}

function randomSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(RANDOM_SECRET_BYTES))).toString("base64url");
}
