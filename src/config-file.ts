import { ACCESS_KEYS } from "./access-settings.ts";
import type { Problem } from "./config.ts";
import { SETTINGS, type Setting } from "./settings.ts";

/** The files that the configuration is read from: the TOML file of settings, and those that hold one value each. */

export type ReadFile = (path: string) => string;

/** Throws for what is no TOML. */
export type ReadToml = (text: string) => object;

export const ownToml: ReadToml = (text) => Bun.TOML.parse(text);

/** Settings by the names that the environment has for them; what it has no name for, as it is written in the file. */
export type FileSettings = ReadonlyMap<string, unknown>;

const FILE_ONLY: ReadonlySet<string> = new Set(ACCESS_KEYS);

const MAX_FILE_CHARACTERS = 65_536;

/** The file's keys in the upper case of the environment, so that both are read alike. */
export function readSettingsFile(
  path: string | undefined,
  readFile: ReadFile,
  readToml: ReadToml,
  problems: Problem[],
): FileSettings {
  const settings = new Map<string, unknown>();
  if (path === undefined || path === "") return settings; // an empty path is complained about as a value
  const name = "TAUTLINE_CONFIG";
  const text = readBounded(path, readFile);
  if ("problem" in text) {
    problems.push({ name, problem: text.problem });
    return settings;
  }
  const parsed = parseToml(text.value, readToml);
  if ("problem" in parsed) {
    problems.push({ name, problem: parsed.problem });
    return settings;
  }
  const known = new Set(SETTINGS.filter(({ about }) => about.environmentOnly !== true).flatMap(namesOf));
  for (const [key, value] of Object.entries(parsed.value)) {
    const upper = key.toUpperCase();
    if (FILE_ONLY.has(key)) settings.set(key, value);
    else if (known.has(upper) && key === key.toLowerCase()) settings.set(upper, value);
    else problems.push({ name: printable(key), problem: unknownKey(known.has(upper)) });
  }
  return settings;
}

/** What a setting may be called: the second name is that of a file with its value. */
export function namesOf({ name, about }: Setting): string[] {
  return about.file === true ? [name, `${name}_FILE`] : [name];
}

function unknownKey(isKnownInLowerCase: boolean): string {
  return isKnownInLowerCase
    ? "in the file of TAUTLINE_CONFIG must be in lower case"
    : "in the file of TAUTLINE_CONFIG is not a setting";
}

/** A name that somebody else wrote, safe on a terminal. */
export function printable(key: string): string {
  return key.replace(/[^A-Za-z0-9_.-]/g, "?").slice(0, 64);
}

type Result<T> = { readonly value: T } | { readonly problem: string };

/** The parser's own message may quote the file, which may hold a secret: only the place of the mistake is passed on. */
function parseToml(text: string, readToml: ReadToml): Result<object> {
  const value = tomlOf(text, readToml);
  if (value !== null) return { value };
  const lines = text.split("\n");
  const goodLines = lines.findLastIndex((_, count) => tomlOf(lines.slice(0, count).join("\n"), readToml) !== null);
  return { problem: `is not valid TOML after line ${goodLines}` };
}

function tomlOf(text: string, readToml: ReadToml): object | null {
  try {
    return readToml(text);
  } catch {
    return null;
  }
}

/** The path is not named either: a secret put into the wrong variable would be one. */
export function readBounded(path: string, readFile: ReadFile): Result<string> {
  try {
    const value = readFile(path);
    return value.length > MAX_FILE_CHARACTERS ? { problem: "names a file of over 64 KiB" } : { value };
  } catch (error) {
    const code = error instanceof Error && "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
    return { problem: `names a file that cannot be read${code}` };
  }
}
