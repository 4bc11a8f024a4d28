import type { AccessOptions } from "../access.ts";
import type { TokenValidator } from "../auth/token-validator.ts";
import { type Config, ConfigError, configOf, type Problem, type SettingInputs } from "../config.ts";
import { type AccessInputs, accessOf } from "./access-options.ts";
import type { PermissionChecker } from "./permission-checker.ts";

/** Every setting of docs/operations.md, "Configuration", by its name in camel case. Where it listens is said to `listen`. */
export type ServerSettings = Omit<SettingInputs, "host" | "port" | "unixSocket">;

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
  readonly access: AccessOptions;
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
  const { tokenValidator, permissionChecker, logTarget } = decisions;
  const problems: Problem[] = [];
  for (const [name, given] of Object.entries(functions)) {
    if (given !== undefined && typeof given !== "function") problems.push({ name, problem: "must be a function" });
  }
  if (tokenValidator !== undefined) problems.push(...idle(settings, OF_OWN_TOKENS, "tokenValidator"));
  if (permissionChecker !== undefined)
    problems.push(...idle(settings, ["authorizerUrl", "authorizerToken"], "permissionChecker"));
  const access = accessOf(decisions, permissionChecker !== undefined, problems);
  // Tickets are the node's own, and so is the key that nothing else is checked with.
  const own = tokenValidator === undefined ? {} : { jwtSecret: randomSecret() };
  const { config, warnings } = loaded({ ...settings, ...own }, problems);
  const isSilent = config.logLevel === "silent" && logTarget === undefined;
  return { config, access, warnings, logTarget: isSilent ? NOWHERE : (logTarget ?? STDOUT) };
}

function loaded(settings: SettingInputs, problems: readonly Problem[]): ReturnType<typeof configOf> {
  try {
    const result = configOf(settings);
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
