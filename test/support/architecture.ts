import { builtinModules } from "node:module";
import { posix } from "node:path";
import { importsOf, withoutComments } from "./imports.ts";
import { EXCLUSIVE, FOR_ALL, PARTS, type Part } from "./import-table.ts";

/** Path below src/ → text. */
export type Sources = ReadonlyMap<string, string>;

const MAX_LINES = 500;
const QUESTIONED_LINES = 300;
/** What package.json exports. */
const ENTRIES: ReadonlySet<string> = new Set(["index.ts", "client/index.ts"]);

const BUILTINS: ReadonlySet<string> = new Set(["bun", "bun:sqlite", "bun:ffi", "bun:jsc", ...builtinModules]);

/** Rules about what a file says, each with the files that are free of it. */
const WORDING = [
  { pattern: /\bBun\.serve\b|\bserve\b[^;]*from "bun"/, what: "names Bun.serve", free: ["engine/bun.ts"] },
  {
    pattern: /\bprocess\.env\b|\bBun\.env\b|\bimport\.meta\.env\b/,
    what: "reads the environment",
    free: ["config.ts", "main.ts", "on-node.ts", "cli.ts"],
  },
] as const;

function covers(targets: readonly string[], path: string): boolean {
  return targets.some((target) => (target.endsWith("/") ? path.startsWith(target) : path === target));
}

export function partOf(path: string): Part | null {
  return PARTS.find((part) => covers(part.files, path)) ?? null;
}

function packageOf(specifier: string): string {
  const names = specifier.split("/");
  return names.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Null when the import is allowed, else what is wrong with it. */
function judge(part: Part, from: string, specifier: string, isTypeOnly: boolean): string | null {
  if (specifier.startsWith(".")) {
    const target = posix.join(posix.dirname(from), specifier);
    if (target.startsWith("../")) return `imports ${specifier}, which is outside src/`;
    if (covers([...part.files, ...part.allow, ...FOR_ALL], target)) return null;
    if (!covers(part.allowTypesOnly, target)) return `imports ${target}`;
    return isTypeOnly ? null : `imports ${target} as a value: only its types are allowed`;
  }
  if (specifier.startsWith("node:") || BUILTINS.has(specifier)) {
    return part.builtins || isTypeOnly ? null : `imports ${specifier}: this part also runs in browsers`;
  }
  const name = packageOf(specifier);
  const owners = EXCLUSIVE[name];
  const allowed = part.libraries === "any" ? owners === undefined : part.libraries.includes(name);
  return allowed || owners?.includes(part.name) === true ? null : `imports the package ${name}`;
}

/** Every import that the table does not allow. */
export function importViolations(sources: Sources): string[] {
  const violations: string[] = [];
  for (const [from, source] of sources) {
    if (!/\.tsx?$/.test(from)) continue;
    const part = partOf(from);
    if (part === null) {
      violations.push(`${from}: belongs to no part of the import table`);
      continue;
    }
    for (const { path, isTypeOnly } of importsOf(source)) {
      const problem = judge(part, from, path, isTypeOnly);
      if (problem !== null) violations.push(`${from}: ${problem}`);
    }
  }
  return violations;
}

export function wordingViolations(sources: Sources): string[] {
  const violations: string[] = [];
  for (const [path, source] of sources) {
    const code = withoutComments(source);
    for (const { pattern, what, free } of WORDING) {
      if (pattern.test(code) && !covers(free, path)) violations.push(`${path}: ${what}`);
    }
  }
  return violations;
}

function folderOf(path: string): string {
  return posix.dirname(path) === "." ? (partOf(path)?.name ?? path) : (path.split("/")[0] ?? path);
}

/** Folders (and the parts made of files directly in src/) that import each other, types included: each cycle as `a → b → a`. */
export function folderCycles(sources: Sources): string[] {
  const edges = new Map<string, Set<string>>();
  for (const [from, source] of sources) {
    if (!/\.tsx?$/.test(from)) continue;
    for (const { path } of importsOf(source)) {
      const target = path.startsWith(".") ? posix.join(posix.dirname(from), path) : null;
      if (target === null || folderOf(target) === folderOf(from) || FOR_ALL.includes(target)) continue;
      const targets = edges.get(folderOf(from)) ?? new Set();
      edges.set(folderOf(from), targets.add(folderOf(target)));
    }
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (folder: string, trail: readonly string[]): void => {
    if (trail.includes(folder)) {
      cycles.push([...trail.slice(trail.indexOf(folder)), folder].join(" → "));
      return;
    }
    if (done.has(folder)) return;
    for (const next of edges.get(folder) ?? []) visit(next, [...trail, folder]);
    done.add(folder);
  };
  for (const folder of edges.keys()) visit(folder, []);
  return cycles;
}

export function nameViolations(paths: Iterable<string>): string[] {
  const violations: string[] = [];
  for (const path of paths) {
    for (const name of path.split("/")) {
      const stem = name.replace(/\.[^.]+$/, "");
      if (/^(?:utils?|helpers?|common|misc|shared)$/.test(stem))
        violations.push(`${path}: says nothing of what is inside`);
      if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(stem.replaceAll(".", "-"))) violations.push(`${path}: is not kebab-case`);
    }
    if (/(?:^|\/)index\.tsx?$/.test(path) && !ENTRIES.has(path)) violations.push(`${path}: is a barrel`);
  }
  return violations;
}

export function linesOf(source: string): number {
  return source.split("\n").length - (source.endsWith("\n") ? 1 : 0);
}

export function longFiles(sources: Sources): { refused: string[]; questioned: string[] } {
  const refused: string[] = [];
  const questioned: string[] = [];
  for (const [path, source] of sources) {
    const lines = linesOf(source);
    if (lines > MAX_LINES) refused.push(`${path}: ${lines} lines`);
    else if (lines > QUESTIONED_LINES) questioned.push(`${path}: ${lines} lines`);
  }
  return { refused, questioned };
}
