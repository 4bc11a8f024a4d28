import { type Check, type Finding, placeOf } from "../check.ts";
import type { Place } from "../history.ts";
import { type Member, Way } from "../ledger/member.ts";
import type { Slot } from "../ledger/stream.ts";

/** Offsets rise, whichever way messages come; live ones come behind the position of the answer to the join. */
export const order: Check = {
  name: "order",
  *find({ ledger }) {
    for (const member of ledger.members()) yield* findingsOf(member);
  },
};

function findingsOf(member: Member): readonly Finding[] {
  const findings: Finding[] = [];
  const by = { check: "order", client: member.client.name } as const;
  const highest = new Map<string, number>();
  let joined: Place | null = null;
  member.replay({
    onMark(mark) {
      if (mark.op !== "join") return;
      joined = mark.position;
      const before = Math.max(highest.get(joined.epoch) ?? 0, behind(mark.since, joined.epoch));
      if (joined.offset >= before) return;
      const text = `the topic stood at ${before}, and then the answer was ${joined.offset}`;
      findings.push({ ...by, topic: mark.topic, ...joined, text });
    },
    onDelivery(slot, way) {
      if (way === Way.Again) return;
      const { epoch } = slot.stream;
      const before = highest.get(epoch) ?? 0;
      if (slot.offset > before) highest.set(epoch, slot.offset);
      if (slot.offset < before) findings.push({ ...by, ...placeOf(slot), text: `came behind offset ${before}` });
      else if (way === Way.Live && isBefore(slot, joined)) {
        findings.push({ ...by, ...placeOf(slot), text: "came live, and lies before the answer to the join" });
      }
    },
  });
  return findings;
}

function behind(place: Place | null, epoch: string): number {
  return place?.epoch === epoch ? place.offset : 0;
}

function isBefore({ stream, offset }: Slot, joined: Place | null): boolean {
  return joined !== null && stream.epoch === joined.epoch && offset <= joined.offset;
}
