import type { Fault } from "./history.ts";
import type { MemberAccount, Verdict } from "./verdict.ts";

/** Topics that have a line; of the others there is one for all. */
const MAX_TOPICS = 20;

/** Members that are told one by one: those that lost most. */
const MAX_MEMBERS = 10;

/** Lines that are a count each, in the order in which they are read. */
const COUNTS = [
  ["attempts", "attempts"],
  ["confirmed", "acked"],
  ["refused", "refused"],
  ["received live", "receivedLive"],
  ["recovered", "recovered"],
  ["said to be lost", "gapSignalled"],
  ["lost silently", "silentlyLost"],
  ["raw duplicates", "duplicates"],
  ["out of order", "misordered"],
  ["phantoms", "phantoms"],
  ["two stories", "diverging"],
  ["published twice", "retriedTwice"],
  ["again in a new epoch", "repeatedAcrossEpochs"],
  ["presence wrong", "presenceDiverging"],
  ["to the barred", "barredDeliveries"],
  ["reconnects", "reconnects"],
  ["longest blackout, ms", "maxBlackoutMs"],
] as const satisfies readonly (readonly [string, keyof Verdict])[];

const ACCOUNT_HEAD = ["topic", "member", "expected", "live", "recovered", "said lost", "lost"];

/** The verdict for people: what happened, what each topic's members were owed, and what was not kept. */
export function tableOf(verdict: Verdict): string {
  const { profile, seed, ok, faults, findings, findingCounts } = verdict;
  const found = Object.values(findingCounts).reduce((sum, count) => sum + count, 0);
  const sections = [
    [`${profile}, seed ${seed}: ${ok ? "ok" : `${found} findings`}`],
    columns(COUNTS.map(([label, field]) => [label, String(verdict[field])])),
    faultLines(faults),
    columns([ACCOUNT_HEAD, ...accountRows(verdict.clients)]),
    findings.map(({ check, topic, client, offset, text }) =>
      [`${check}:`, topic, client, offset === undefined ? "" : `offset ${offset}`, text].filter(Boolean).join(" "),
    ),
    found > findings.length ? [`and ${found - findings.length} more`] : [],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

/** One for each kind: a run may cut a thousand connections. */
function faultLines(faults: readonly Fault[]): readonly string[] {
  return [...Map.groupBy(faults, ({ name }) => name)].map(([name, ofName]) =>
    ofName.length === 1 ? `fault: ${name} ${ofName[0]?.detail}`.trimEnd() : `fault: ${name}, ${ofName.length} times`,
  );
}

function accountRows(clients: readonly MemberAccount[]): readonly (readonly string[])[] {
  const topics = [...Map.groupBy(clients, ({ topic }) => topic)];
  const others = topics.slice(MAX_TOPICS).flatMap(([, members]) => members);
  const ofTopics = [...topics.slice(0, MAX_TOPICS), ...(others.length > 0 ? [["others", others] as const] : [])];
  const worst = clients
    .filter(({ lost }) => lost > 0)
    .toSorted((a, b) => b.lost - a.lost)
    .slice(0, MAX_MEMBERS);
  return [
    ...ofTopics.map(([topic, members]) => row(topic, `all ${members.length}`, members)),
    ...worst.map((member) => row(member.topic, member.client, [member])),
  ];
}

function row(topic: string, name: string, members: readonly MemberAccount[]): readonly string[] {
  const fields = ["expected", "live", "recovered", "gap", "lost"] as const;
  return [topic, name, ...fields.map((field) => String(members.reduce((sum, member) => sum + member[field], 0)))];
}

/** Numbers stand to the right. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const isNumber = /^\d+$/.test(cell) || (column > 1 && rows.length > 1 && cells === rows[0]);
        return isNumber ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
