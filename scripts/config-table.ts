import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { SETTINGS, type Setting } from "../src/settings.ts";

/**
 * Writes the table of settings between its two markers in README.md and docs/operations.md. `--check` writes nothing and exits 1
 * when a table is out of date, or in no file at all.
 */

const DOCUMENTS = ["README.md", "docs/operations.md"];
const START = "<!-- config:start -->";
const END = "<!-- config:end -->";

function fallbackOf({ about, fallback }: Setting): string {
  if (about.fallback !== undefined) return about.fallback;
  if (fallback === null || (Array.isArray(fallback) && fallback.length === 0)) return "unset";
  return `\`${typeof fallback === "string" ? fallback : JSON.stringify(fallback)}\``;
}

function meaningOf({ name, about }: Setting): string {
  const notes = [
    about.file === true ? ` \`${name}_FILE\` reads it from a file.` : "",
    about.environmentOnly === true ? " Environment only." : "",
    about.since === "not yet" ? " Not supported yet: refused when set." : "",
  ];
  return about.meaning + notes.join("");
}

/** The cells padded as `bun fmt` does, so that formatting leaves the table as it is. */
export function configTable(settings: readonly Setting[] = SETTINGS): string {
  const rows = [
    ["name", "default", "meaning"],
    ...settings.map((setting) => [`\`${setting.name}\``, fallbackOf(setting), meaningOf(setting)]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}

/** The document with the table between its markers; null when it has none. */
export function withTable(document: string, table: string): string | null {
  const start = document.indexOf(START);
  const end = document.indexOf(END, start);
  if (start < 0 || end < 0) return null;
  return `${document.slice(0, start + START.length)}\n\n${table}\n\n${document.slice(end)}`;
}

function main(isCheck: boolean): number {
  const root = new URL("../", import.meta.url);
  let written = 0;
  let outdated = 0;
  for (const name of DOCUMENTS) {
    const url = new URL(name, root);
    const document = existsSync(url) ? readFileSync(url, "utf8") : "";
    const updated = withTable(document, configTable());
    if (updated === null) continue;
    written++;
    if (updated === document) continue;
    outdated++;
    console.log(
      `${name}: the table of settings ${isCheck ? "is out of date: run bun scripts/config-table.ts" : "is updated"}`,
    );
    if (!isCheck) writeFileSync(url, updated);
  }
  if (written === 0) console.log(`${START} and ${END} are in none of ${DOCUMENTS.join(", ")}`);
  return written === 0 || (isCheck && outdated > 0) ? 1 : 0;
}

if (import.meta.main) process.exit(main(process.argv.includes("--check")));
