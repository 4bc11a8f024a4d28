import * as v from "valibot";

import type { AccessOptions } from "./access.ts";
import { ACCESS_KEYS, type AccessTables, accessOf } from "./access-settings.ts";
import {
  type FileSettings,
  namesOf,
  ownToml,
  printable,
  readBounded,
  type ReadFile,
  readSettingsFile,
  type ReadToml,
} from "./config-file.ts";
import { RULES } from "./contradictions.ts";
import { databasePath, SETTINGS, Settings, type Setting, type SettingKey } from "./settings.ts";

/**
 * The configuration: read once at the start from the environment and a TOML file, checked as a whole, frozen. The environment
 * comes in as an argument; nothing else reads it.
 */

export type { ReadToml };

type SettingValues = v.InferOutput<typeof Settings>;

/** Every setting under the camel case of its name (`MAX_MESSAGE_BYTES` is `maxMessageBytes`), and what follows from them. */
export type Config = Readonly<
  Omit<SettingValues, "nodeId" | "accounts"> & {
    nodeId: string;
    accounts: NonNullable<SettingValues["accounts"]>;
    /** The file in `databaseUrl`. */
    databasePath: string;
    /** `NODE_ENV` is `production`. */
    production: boolean;
    /** `jwtSecret` was made for this process, because nothing was configured. */
    generatedSecret: boolean;
    /** Who may do what: from the tables of the file, which the environment cannot hold. */
    access: AccessOptions;
  }
>;

export interface Problem {
  /** The variable to change: `PORT`, or `JWT_SECRET_FILE` where the value came from there. */
  readonly name: string;
  /** Reads on from the name; never holds the value. */
  readonly problem: string;
}

/** Everything that is wrong with the configuration, in one go. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    const lines = problems.map(({ name, problem }) => `  ${name} ${problem}`);
    super(["The configuration is wrong:", ...lines].join("\n"), options);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A value as it was found, and the name to complain about. */
interface Found {
  readonly name: string;
  readonly value: unknown;
}

/** Exit status for a configuration that cannot be started: EX_CONFIG of sysexits(3). */
export const EXIT_CONFIG = 78;

/**
 * Reads, checks and completes the configuration. The environment beats the file. `readFile` returns a file's text or throws.
 * Throws `ConfigError` with every problem; `warnings` are for people and hold no secret either.
 */
export function loadConfig(env: Environment, readFile: ReadFile, readToml: ReadToml = ownToml): Loaded {
  const problems: Problem[] = [];
  return load(env, readSettingsFile(env["TAUTLINE_CONFIG"], readFile, readToml, problems), readFile, problems);
}

/** Settings by the names of `Config`, as an application gives them; a value may also be what the environment would say. */
export type SettingInputs = Omit<v.InferInput<typeof Settings>, "tautlineConfig">;

/**
 * The same for a node inside of an application, which reads neither environment nor file. The rules are those of production: nothing
 * is made up for a key that is missing. Problems and warnings name settings as `values` does.
 */
export function configOf(values: SettingInputs, access: AccessTables): Loaded {
  const strange: Problem[] = [];
  const given = new Map<string, unknown>();
  for (const [key, value] of Object.entries(values)) {
    const setting = SETTINGS.find((row) => row.key === key && row.about.environmentOnly !== true);
    if (setting === undefined) strange.push({ name: printable(key), problem: "is not an option" });
    else if (value !== undefined) given.set(setting.name, value);
  }
  for (const key of ACCESS_KEYS) given.set(key, access[key]);
  const { config, warnings } = loadOptions(given, strange);
  if (strange.length > 0) throw new ConfigError(strange);
  return { config, warnings: warnings.map(inOptionNames) };
}

function loadOptions(given: FileSettings, strange: readonly Problem[]): Loaded {
  try {
    return load({ NODE_ENV: "production" }, given, noFile, []);
  } catch (error) {
    const named = inOptions(error);
    throw named instanceof ConfigError ? new ConfigError([...strange, ...named.problems]) : named;
  }
}

/** What a part finds wrong with its settings stops the start like any other problem of the configuration. */
export function configured<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    const [, name, problem] = /^([A-Z][A-Z_]+):? (.+)$/.exec(error instanceof Error ? error.message : "") ?? [];
    if (name === undefined || problem === undefined) throw error;
    throw new ConfigError([{ name, problem }]);
  }
}

/** A `ConfigError` with the names that settings have as options; anything else as it is. */
export function inOptions(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const problems = error.problems.map(({ name, problem }) => ({
    name: name === "public_topics" ? "publicTopics" : inOptionNames(name),
    problem: inOptionNames(problem),
  }));
  return new ConfigError(problems, { cause: error.cause });
}

function inOptionNames(text: string): string {
  // Behind a dot stands a name of the application's own: `permissions.PORT`.
  return text.replace(/(?<![\w.])[A-Z][A-Z0-9_]+/g, (word) => SETTINGS.find(({ name }) => name === word)?.key ?? word);
}

function noFile(): never {
  throw new Error("no file is read");
}

interface Loaded {
  readonly config: Config;
  readonly warnings: string[];
}

function load(env: Environment, file: FileSettings, readFile: ReadFile, problems: Problem[]): Loaded {
  const found = new Map<SettingKey, Found>();
  const wrong = new Set<SettingKey>();

  for (const setting of SETTINGS) {
    const value = find(setting, env, file, readFile, problems);
    if (value === "wrong") wrong.add(setting.key);
    else if (value !== null) found.set(setting.key, value);
  }
  const values = check(found, wrong, problems);
  const warnings = environmentWarnings(env["NODE_ENV"]);
  const access = readAccess(file, problems, warnings);
  const config = complete(values, access, env["NODE_ENV"] === "production");

  const given: ReadonlySet<SettingKey> = new Set(found.keys());
  for (const rule of RULES) {
    if (rule.uses.some((key) => wrong.has(key)) || !rule.applies(config, given)) continue;
    if (rule.level === "warning") warnings.push(`${rule.name} ${rule.text}`);
    else problems.push({ name: rule.name, problem: rule.text });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config: forRuntime(config, warnings), warnings };
}

const NO_ACCOUNTS = "ACCOUNTS is off: accounts need Bun, so there is no /api/login and no /api/register";

function forRuntime(config: Config, warnings: string[]): Config {
  if (typeof Bun !== "undefined" || config.accounts === "off") return config;
  warnings.push(NO_ACCOUNTS);
  return Object.freeze({ ...config, accounts: "off" });
}

function readAccess(file: FileSettings, problems: Problem[], warnings: string[]): AccessOptions {
  const tables = Object.fromEntries(ACCESS_KEYS.map((key) => [key, file.get(key)]));
  const found: Problem[] = [];
  const access = accessOf(tables, found, warnings);
  problems.push(...found.map(({ name, problem }) => ({ name: printable(name), problem })));
  return access;
}

/** One setting from the environment, else from the file; null where it is in neither. */
function find(
  setting: Setting,
  env: Environment,
  file: FileSettings,
  readFile: ReadFile,
  problems: Problem[],
): Found | "wrong" | null {
  const names = namesOf(setting);
  const layer = names.some((name) => env[name] !== undefined)
    ? names.map((name): [string, unknown] => [name, env[name]])
    : names.map((name): [string, unknown] => [name, file.get(name)]);
  const set = layer.filter(([, value]) => value !== undefined);
  const [first, second] = set;
  if (first === undefined) return null;

  const refuse = (name: string, problem: string): "wrong" => {
    problems.push({ name, problem });
    return "wrong";
  };
  const [name, value] = first;
  if (setting.about.since === "not yet") return refuse(name, "is not supported by this version yet: unset it");
  if (second !== undefined) return refuse(name, `and ${second[0]} are both set: choose one`);
  if (value === "") return refuse(name, "is empty: give it a value or unset it");
  if (name === setting.name) return { name, value };

  if (typeof value !== "string") return refuse(name, "must be the path of a file");
  const read = readBounded(value, readFile);
  if ("problem" in read) return refuse(name, read.problem);
  const text = read.value.replace(/\r?\n$/, "");
  return text === "" ? refuse(name, "names an empty file") : { name, value: text };
}

/** Values by schema; a wrong one is listed, marked, and replaced by its default so that the others can still be checked. */
function check(found: Map<SettingKey, Found>, wrong: Set<SettingKey>, problems: Problem[]): SettingValues {
  const first = v.safeParse(Settings, rawValues(found), { abortPipeEarly: true });
  if (first.success) return first.output;
  for (const issue of first.issues) {
    const setting = SETTINGS.find(({ key }) => key === issue.path?.[0]?.key);
    if (setting === undefined) continue;
    wrong.add(setting.key);
    const entry: unknown = issue.path?.[1]?.key;
    const where = typeof entry === "number" ? `entry ${entry + 1} ` : "";
    problems.push({ name: found.get(setting.key)?.name ?? setting.name, problem: where + issue.message });
  }
  for (const key of wrong) found.delete(key);
  return v.parse(Settings, rawValues(found));
}

function rawValues(found: ReadonlyMap<SettingKey, Found>): Record<string, unknown> {
  return Object.fromEntries([...found].map(([key, { value }]) => [key, value]));
}

const RANDOM_SECRET_BYTES = 64; // enough for HS512

function complete(values: SettingValues, access: AccessOptions, production: boolean): Config {
  const hasKey = values.jwtSecret !== null || values.jwtPublicKey !== null || values.jwksUrl !== null;
  const generatedSecret = !production && !hasKey;
  const jwtSecret = generatedSecret ? randomText(RANDOM_SECRET_BYTES, "base64url") : values.jwtSecret;
  for (const value of Object.values(values)) Object.freeze(value);
  return Object.freeze({
    ...values,
    jwtSecret,
    nodeId: values.nodeId ?? `node-${randomText(4, "hex")}`,
    accounts: values.accounts ?? (production || jwtSecret === null ? "off" : "on"),
    databasePath: databasePath(values.databaseUrl),
    production,
    generatedSecret,
    access: Object.freeze(access),
  });
}

function randomText(bytes: number, encoding: "hex" | "base64url"): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString(encoding);
}

/** `NODE_ENV=prod` would quietly get the rules of development. */
function environmentWarnings(nodeEnv: string | undefined): string[] {
  const known = [undefined, "", "production", "development", "test"];
  return known.includes(nodeEnv) ? [] : ["NODE_ENV is not production, so the defaults of development hold"];
}
