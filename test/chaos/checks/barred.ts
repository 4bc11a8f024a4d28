import { type Check, type Finding, placeOf } from "../check.ts";
import { type Delivery, type Member, Way } from "../ledger/member.ts";

/**
 * Who may not receive gets nothing: nobody barred behind the allowance, nobody who has not joined or has left. What was published before
 * the bar and stood in the node when it was suspended leaves it, live, as soon as it goes on, and nothing can hold it back.
 */
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
        const delivery = member.delivery(index);
        const bar = delivery === null ? undefined : times.find((time) => isBroken(time, delivery))?.bar;
        if (delivery === null || bar === undefined) return;
        const lateMs = delivery.atMs - bar.atMs;
        findings.push({ ...by, ...placeOf(slot), text: `came ${lateMs} ms after the client was barred` });
      }
    },
  });
  return findings;
}

function isBroken({ bar, untilMs }: ReturnType<Member["barredTimes"]>[number], delivery: Delivery): boolean {
  const { atMs, publishedAtMs, way } = delivery;
  const wasOnItsWay = way === Way.Live && publishedAtMs <= bar.atMs;
  return atMs > bar.atMs + bar.allowanceMs && atMs < untilMs && !wasOnItsWay;
}
