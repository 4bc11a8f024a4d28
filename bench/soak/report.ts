import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import type { SoakResult } from "./soak.ts";
import type { Finding } from "./verdict.ts";

const MIB = 1_048_576;
/** Types of objects that are told: those of which most are more or fewer. */
const TOLD_TYPES = 12;

/** For people: a line for each thing that has to come back. */
export function tableOf(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, start, peak, end, rule, isMet }) => {
    const shown = (value: number): string =>
      what.endsWith("Bytes") ? `${(value / MIB).toFixed(1)} MiB` : String(value);
    return [what, shown(start), shown(peak), shown(end), rule, isMet ? "yes" : "NO"];
  });
  const all = [["what", "start", "most", "end", "must be", "is"], ...rows];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `soak.json` and `soak.svg` in that folder; their paths. */
export function writeSoak(folder: string, result: SoakResult, findings: readonly Finding[]): string[] {
  mkdirSync(folder, { recursive: true });
  const { plan, start, end, samples, visits, unexpected, counters } = result;
  const minutes = Math.round(plan.churnMs / 6_000) / 10;
  const report = {
    time: new Date().toISOString(),
    bun: Bun.version_with_sha,
    ...{ plan, findings, visits, unexpected, counters },
    residentBytes: { start: start.residentBytes, end: end.residentBytes },
    anonymousBytes: { start: start.anonymousBytes, end: end.anonymousBytes },
    heapBytes: { start: start.heapBytes, end: end.heapBytes },
    heapWithCodeBytes: { start: start.heapWithCodeBytes, end: end.heapWithCodeBytes },
    objects: changesOf(start.types, end.types),
  };
  const json = join(folder, "soak.json");
  const svg = join(folder, "soak.svg");
  const lines = join(folder, "soak.samples.jsonl");
  writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(svg, chartOf(samples, `Soak: ${minutes} minutes, ${plan.visitsPerSecond} visits a second`));
  writeFileSync(lines, samples.map((sample) => `${JSON.stringify(sample)}\n`).join(""));
  return [json, svg, lines];
}

/** The types of which there are more or fewer objects than before: what holds them is what grew. */
function changesOf(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): object {
  const changes = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((type) => ({ type, start: before[type] ?? 0, end: after[type] ?? 0 }))
    .filter(({ start, end }) => start !== end)
    .toSorted((a, b) => Math.abs(b.end - b.start) - Math.abs(a.end - a.start));
  return changes.slice(0, TOLD_TYPES);
}
