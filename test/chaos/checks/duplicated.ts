import { type Check, placeOf } from "../check.ts";
import { secondViews } from "../ledger/second-view.ts";

/** A place that comes again says the same: raw duplicates are only counted. */
export const duplicated: Check = {
  name: "duplicated",
  *find({ ledger }) {
    for (const { member, slot, first, second } of secondViews(ledger)) {
      if (first.message !== second.message) continue;
      const text = "came again and said something else";
      yield { check: "duplicated", client: member.client.name, ...placeOf(slot), text };
    }
  },
};
