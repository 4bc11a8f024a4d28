import type { Ledger } from "./ledger.ts";
import { type Member, Way } from "./member.ts";
import { Obligation } from "./obligation.ts";
import type { Slot } from "./stream.ts";

/** A message that a member was owed and that neither came nor was said to be lost. */
export interface Missing {
  readonly slot: Slot;
  /** Whether an answer `recovered: true` spoke of its place. */
  readonly isPromised: boolean;
}

/** What a member was owed and what became of it: `expected` = `live` + `recovered` + `gap` + `missing.length`. */
export interface Account {
  readonly member: Member;
  expected: number;
  live: number;
  recovered: number;
  /** Messages that did not come, and the node had said so. */
  gap: number;
  readonly missing: Missing[];
}

export function accountOf(ledger: Ledger, member: Member): Account {
  const obligation = new Obligation(ledger, member);
  const account: Account = { member, expected: 0, live: 0, recovered: 0, gap: 0, missing: [] };
  for (const stream of ledger.streams.get(member.topic)?.values() ?? []) {
    for (const slot of stream.slots.values()) {
      if (slot.knownAtMs < Number.POSITIVE_INFINITY) settle(account, obligation, slot);
    }
  }
  account.missing.sort((a, b) => a.slot.offset - b.slot.offset);
  return account;
}

function settle(account: Account, obligation: Obligation, slot: Slot): void {
  const way = account.member.wayOf(slot);
  if (way === null && !obligation.owes(slot)) return;
  account.expected += 1;
  if (way === Way.Live) account.live += 1;
  else if (way === Way.Recovery) account.recovered += 1;
  else if (obligation.excuses(slot)) account.gap += 1;
  else account.missing.push({ slot, isPromised: obligation.promises(slot) });
}
