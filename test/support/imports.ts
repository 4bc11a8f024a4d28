/** What a source file imports, without running it. */

export interface Import {
  /** The specifier as written. */
  readonly path: string;
  /** `import type` or `export type`: gone at run time. `import { type A }` is not, it still loads the file. */
  readonly isTypeOnly: boolean;
}

/** Statements as `bun fmt` leaves them: they begin a line and end with a semicolon. */
const STATIC =
  /^\s*(?:import|export)\s+(type\s+(?!from\b))?(?:[\w$]+\s*,?\s*)?(?:\{[^}]*\}|\*(?:\s+as\s+[\w$]+)?)?\s*from\s*["']([^"']+)["']/gm;
const SIDE_EFFECT = /^\s*import\s*["']([^"']+)["']/gm;
const DYNAMIC = /(typeof\s+)?\bimport\(\s*["'`]([^"'`]+)["'`]\s*[,)]/g;
/** A worker or another process may be started from such a URL. */
const MODULE_URL = /new URL\(\s*["'](\.[^"']+\.tsx?)["']/g;

const transpiler = new Bun.Transpiler({ loader: "tsx" });

/** Comments replaced by nothing, so that what they say is not taken for code. */
export function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[\s;{}(),])\/\/.*$/gm, "$1");
}

/** Every import of a file: static, dynamic, type-only, re-exported; each path once, as a value if it is one anywhere. */
export function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  const values = new Set<string>();
  const types = new Set<string>();
  for (const [, type, path = ""] of code.matchAll(STATIC)) (type === undefined ? values : types).add(path);
  for (const [, path = ""] of code.matchAll(SIDE_EFFECT)) values.add(path);
  for (const [, type, path = ""] of code.matchAll(DYNAMIC)) (type === undefined ? values : types).add(path);
  for (const [, path = ""] of code.matchAll(MODULE_URL)) values.add(path);
  // A second opinion from Bun's own parser, which does not see types.
  for (const { path } of transpiler.scanImports(source.replace(/^#!.*/, ""))) values.add(path);
  return [
    ...[...values].map((path) => ({ path, isTypeOnly: false })),
    ...[...types].filter((path) => !values.has(path)).map((path) => ({ path, isTypeOnly: true })),
  ];
}
