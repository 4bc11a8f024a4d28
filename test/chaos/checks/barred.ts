import { type Check, type Finding, placeOf } from "../check.ts";
import type { Member } from "../ledger/member.ts";

/** Who may not receive gets nothing: nobody barred behind the allowance, nobody who has not joined or has left. */
export const barred: Check = {
  name: "barred",
  *find({ ledger }) {
    for (const member of ledger.members()) yield* findingsOf(member);
  },
};

function findingsOf(member: Member): readonly Finding[] {
  const findings: Finding[] = [];
  const by = { check: "barred", client: member.client.name } as const;
  const times = member.barredTimes();
  let isMember = false;
  member.replay({
    onMark({ op }) {
      if (op === "join") isMember = true;
      else if (op === "leave") isMember = false;
    },
    onDelivery(slot, _way, index) {
      if (!isMember) findings.push({ ...by, ...placeOf(slot), text: "came to a client that is no member" });
      else if (times.length > 0) {
        const atMs = member.delivery(index)?.atMs ?? 0;
        const hit = times.find(({ bar, untilMs }) => atMs > bar.atMs + bar.allowanceMs && atMs < untilMs);
        if (hit === undefined) return;
        findings.push({ ...by, ...placeOf(slot), text: `came ${atMs - hit.bar.atMs} ms after the client was barred` });
      }
    },
  });
  return findings;
}
