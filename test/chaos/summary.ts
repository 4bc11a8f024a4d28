import type { ClientReport } from "./client-report.ts";
import type { Outcome } from "./run-profile.ts";
import { tableOf } from "./table.ts";

/** What a run says on the terminal. */

const COLUMNS = [
  ["confirmed", "acked"],
  ["live", "receivedLive"],
  ["recovered", "recovered"],
  ["said lost", "gapSignalled"],
  ["lost", "silentlyLost"],
  ["reconnects", "reconnects"],
  ["blackout ms", "maxBlackoutMs"],
] as const;
const NAME_WIDTH = 16;
const WIDTH = 12;

export const HEAD = `${"".padEnd(NAME_WIDTH)}${COLUMNS.map(([label]) => label.padStart(WIDTH)).join("")}`;

/** One line of many. */
export function lineOf({ verdict, ok }: Outcome, tookS: number): string {
  const figures = COLUMNS.map(([, field]) => String(verdict[field]).padStart(WIDTH)).join("");
  return `${verdict.profile.padEnd(NAME_WIDTH)}${figures}  ${ok ? "ok" : "FAILED"}, ${tookS} s`;
}

/** All about one of them. */
export function detailsOf({ verdict, clients, unmet, ok }: Outcome): string {
  const said = unmet.map((problem) => `not met: ${problem}`);
  return [tableOf(verdict), clientLine(clients), ...said, ok ? "ok" : "FAILED"].join("\n");
}

function clientLine({ joins, retries, upgrades, refusals, errors, closes }: ClientReport): string {
  const codes = Object.fromEntries([...Map.groupBy(closes, ({ code }) => code)].map(([code, of]) => [code, of.length]));
  return [
    `${upgrades.length} connections, ${joins} joins, ${retries} retries`,
    `ends by code: ${countsOf(codes)}`,
    `refused handshakes by status: ${countsOf(refusals)}`,
    `errors: ${countsOf(errors)}`,
  ].join("; ");
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}
