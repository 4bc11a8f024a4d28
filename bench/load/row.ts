import { median } from "./statistics.ts";

/** A bound on one number of a row. */
export interface Target {
  readonly is: "at least" | "at most";
  readonly value: number;
}

/** One line of the table; everything that was measured for it goes into the JSON. */
export interface Row {
  readonly scenario: string;
  readonly ours: string;
  readonly bare: string;
  readonly ratio: string;
  readonly cpuRatio: string;
  /** What the target is compared with; null: no target. */
  readonly counted: number | null;
  readonly target: Target | null;
  readonly targetText: string;
  readonly boundBy: string;
  readonly rounds: unknown;
}

export function isMet(row: Row): boolean | null {
  if (row.target === null || row.counted === null) return null;
  return row.target.is === "at least" ? row.counted >= row.target.value : row.counted <= row.target.value;
}

const COLUMNS: readonly (readonly [string, (row: Row) => string])[] = [
  ["scenario", (row) => row.scenario],
  ["tautline", (row) => row.ours],
  ["bare", (row) => row.bare],
  ["ratio", (row) => row.ratio],
  ["per server CPU", (row) => row.cpuRatio],
  ["target", (row) => row.targetText],
  ["met", (row) => ({ true: "yes", false: "NO", null: "" })[`${isMet(row)}`] ?? ""],
  ["bound by (tautline / bare)", (row) => row.boundBy],
];

export function table(rows: readonly Row[]): string {
  return aligned([COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))]);
}

/** Lines of cells as text, the first above a rule. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const count = Math.max(...lines.map((line) => line.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const render = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const [head = [], ...body] = lines;
  return [render(head), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(render)].join("\n");
}

/** A median with the spread of its rounds. */
export function withSpread(values: readonly number[], digits = 2): string {
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)];
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

export function thousands(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)} M` : `${(value / 1e3).toFixed(1)} k`;
}
