import type { Ledger } from "./ledger.ts";
import { type Member, Way } from "./member.ts";
import type { Version } from "./message.ts";
import type { Slot } from "./stream.ts";

/** A client got a place again, and it was not what it had been. */
export interface SecondView {
  readonly member: Member;
  readonly slot: Slot;
  readonly first: Version;
  readonly second: Version;
}

export function* secondViews(ledger: Ledger): Generator<SecondView, void> {
  for (const member of ledger.members()) if (member.duplicates > 0) yield* secondViewsOf(member);
}

function secondViewsOf(member: Member): readonly SecondView[] {
  const views: SecondView[] = [];
  const firsts = new Map<Slot, Version>();
  member.replay({
    onMark() {},
    onDelivery(slot, way, index) {
      const second = member.delivery(index)?.version;
      if (second === undefined) return;
      const first = firsts.get(slot);
      if (way !== Way.Again) firsts.set(slot, second);
      else if (first !== undefined && first !== second) views.push({ member, slot, first, second });
    },
  });
  return views;
}
