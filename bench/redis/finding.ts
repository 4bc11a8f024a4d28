import { aligned, type Target } from "../load/row.ts";

/** One line of the table over Redis; everything that was measured for it goes into the JSON. */
export interface Finding {
  readonly what: string;
  readonly overRedis: string;
  /** The same with the memory broker, in the same run; "": there is none. */
  readonly inMemory: string;
  /** What the target is compared with; null: no target. */
  readonly counted: number | null;
  readonly target: Target | null;
  readonly targetText: string;
  readonly cpu: string;
  readonly rounds: unknown;
}

export function isMet({ target, counted }: Finding): boolean | null {
  if (target === null || counted === null) return null;
  return target.is === "at least" ? counted >= target.value : counted <= target.value;
}

const TITLES = ["what", "over Redis", "memory broker", "target", "met", "CPU"];
const MET: Readonly<Record<string, string>> = { true: "yes", false: "NO" };

export function findingsTable(findings: readonly Finding[]): string {
  const lines = findings.map((finding) => [
    ...[finding.what, finding.overRedis, finding.inMemory, finding.targetText],
    ...[MET[String(isMet(finding))] ?? "", finding.cpu],
  ]);
  return aligned([TITLES, ...lines]);
}
