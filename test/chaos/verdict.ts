import type { CheckName, Evidence, Finding } from "./check.ts";
import { CHECKS } from "./checklist.ts";
import { repeatedAcrossEpochs } from "./checks/retries.ts";
import type { Entry, Fault } from "./history.ts";
import { type Account, accountOf } from "./ledger/account.ts";
import { type Ledger, ledgerOf } from "./ledger/ledger.ts";

/** Findings that a verdict tells in full; all are counted. */
export const MAX_FINDINGS = 50;

/** Which run it was. */
export interface Run {
  readonly profile: string;
  readonly seed: number;
}

/** What became of the messages that a member was owed; `expected` is the sum of the others. */
export interface MemberAccount {
  readonly client: string;
  readonly topic: string;
  readonly expected: number;
  readonly live: number;
  readonly recovered: number;
  readonly gap: number;
  readonly lost: number;
}

export interface Verdict extends Run {
  /** No finding at all. */
  readonly ok: boolean;
  /** Messages that were confirmed, each once. */
  readonly acked: number;
  readonly attempts: number;
  readonly refused: number;
  /** Messages, once for each member that got them. */
  readonly receivedLive: number;
  readonly recovered: number;
  readonly gapSignalled: number;
  readonly silentlyLost: number;
  /** The same place again, to the same client. */
  readonly duplicates: number;
  /** Messages that came back under another epoch, which is not a finding. */
  readonly repeatedAcrossEpochs: number;
  readonly misordered: number;
  readonly phantoms: number;
  /** Places about which there are two stories: clients disagree, or the place was given twice. */
  readonly diverging: number;
  readonly retriedTwice: number;
  readonly presenceDiverging: number;
  readonly barredDeliveries: number;
  readonly reconnects: number;
  readonly maxBlackoutMs: number;
  readonly faults: readonly Fault[];
  readonly clients: readonly MemberAccount[];
  /** The first of each check, `MAX_FINDINGS` in all. */
  readonly findings: readonly Finding[];
  /** By check, where there are any. */
  readonly findingCounts: Readonly<Partial<Record<CheckName, number>>>;
}

/** Holds a history against every promise. The entries of each client have to be in their order. */
export function verdictOf({ profile, seed }: Run, entries: Iterable<Entry>): Verdict {
  const ledger = ledgerOf(entries);
  const accounts = [...ledger.members().map((member) => accountOf(ledger, member))];
  const { counts, first } = findingsOf({ ledger, accounts });
  const clients = accounts.filter(({ expected }) => expected > 0).map(memberAccountOf);
  return {
    profile,
    seed,
    ok: Object.keys(counts).length === 0,
    acked: ledger.messages().reduce((sum, { acked }) => sum + (acked.size > 0 ? 1 : 0), 0),
    attempts: ledger.attempts,
    refused: ledger.refused,
    receivedLive: total(clients, "live"),
    recovered: total(clients, "recovered"),
    gapSignalled: total(clients, "gap"),
    silentlyLost: total(clients, "lost"),
    duplicates: ledger.members().reduce((sum, { duplicates }) => sum + duplicates, 0),
    repeatedAcrossEpochs: repeatedAcrossEpochs(ledger),
    misordered: counts.order ?? 0,
    phantoms: counts.phantom ?? 0,
    diverging: (counts.divergence ?? 0) + (counts.reuse ?? 0),
    retriedTwice: counts.retries ?? 0,
    presenceDiverging: counts.presence ?? 0,
    barredDeliveries: counts.barred ?? 0,
    ...connectionsOf(ledger),
    faults: ledger.faults,
    clients,
    findings: first,
    findingCounts: counts,
  };
}

interface Found {
  readonly counts: Partial<Record<CheckName, number>>;
  readonly first: readonly Finding[];
}

/** Each check has its share of the places, so that a flood of one kind does not hide the others. */
function findingsOf(evidence: Evidence): Found {
  const counts: Partial<Record<CheckName, number>> = {};
  const kept = new Map<CheckName, Finding[]>();
  for (const { name, find } of CHECKS) {
    for (const finding of find(evidence)) {
      counts[name] = (counts[name] ?? 0) + 1;
      const ofCheck = kept.get(name) ?? [];
      if (ofCheck.length < MAX_FINDINGS) kept.set(name, [...ofCheck, finding]);
    }
  }
  const share = Math.max(1, Math.floor(MAX_FINDINGS / Math.max(1, kept.size)));
  return { counts, first: [...kept.values()].flatMap((findings) => findings.slice(0, share)) };
}

function memberAccountOf({ member, expected, live, recovered, gap, missing }: Account): MemberAccount {
  return { client: member.client.name, topic: member.topic, expected, live, recovered, gap, lost: missing.length };
}

function total(clients: readonly MemberAccount[], field: "live" | "recovered" | "gap" | "lost"): number {
  return clients.reduce((sum, client) => sum + client[field], 0);
}

function connectionsOf(ledger: Ledger): Pick<Verdict, "reconnects" | "maxBlackoutMs"> {
  let reconnects = 0;
  let maxBlackoutMs = 0;
  for (const client of ledger.clients.values()) {
    reconnects += client.reconnects;
    maxBlackoutMs = Math.max(maxBlackoutMs, client.maxBlackoutMs);
  }
  return { reconnects, maxBlackoutMs };
}
