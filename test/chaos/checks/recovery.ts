import { type Check, type Evidence, type Finding, placeOf } from "../check.ts";
import type { Join } from "../history.ts";
import type { Member } from "../ledger/member.ts";
import { Way } from "../ledger/member.ts";
import { runsOf } from "../ledger/missing-run.ts";
import type { Slot } from "../ledger/stream.ts";

/** `recovered: true` brings everything between the two positions and nothing else, `recovered: false` brings no part of it. */
export const recovery: Check = {
  name: "recovery",
  *find({ accounts }: Evidence) {
    for (const { member, missing } of accounts) {
      const client = member.client.name;
      for (const { first, last, messages } of runsOf(missing.filter(({ isPromised }) => isPromised))) {
        const text = `${messages} up to offset ${last.offset} did not come, though the answer was recovered: true`;
        yield { check: "recovery", client, ...placeOf(first), text };
      }
      yield* answersOf(member);
    }
  },
};

function answersOf(member: Member): readonly Finding[] {
  const findings: Finding[] = [];
  const by = { check: "recovery", client: member.client.name } as const;
  let last: Join | null = null;
  member.replay({
    onMark(mark) {
      if (mark.op !== "join") return;
      last = mark;
      const { recovered, since, position, topic } = mark;
      if (recovered !== true || since === null || since.epoch === position.epoch) return;
      const text = `recovered: true, though the epoch asked about was ${since.epoch}`;
      findings.push({ ...by, topic, ...position, text });
    },
    onDelivery(slot, way) {
      if (way === Way.Recovery && !isGivenBy(last, slot)) {
        findings.push({ ...by, ...placeOf(slot), text: "came as recovered, and no answer had said so" });
      }
    },
  });
  return findings;
}

function isGivenBy(join: Join | null, { stream, offset }: Slot): boolean {
  if (join === null || join.recovered !== true || join.since === null) return false;
  // A change of epoch is a finding of its own.
  if (join.since.epoch !== join.position.epoch) return true;
  return stream.epoch === join.position.epoch && offset > join.since.offset && offset <= join.position.offset;
}
