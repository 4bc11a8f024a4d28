import { type Check, placeOf } from "../check.ts";
import { runsOf } from "../ledger/missing-run.ts";

/** What was confirmed, or reached anybody, reaches each member, or the member is told that it does not. */
export const lost: Check = {
  name: "lost",
  *find({ accounts }) {
    for (const { member, missing } of accounts) {
      for (const { first, last, messages } of runsOf(missing.filter(({ isPromised }) => !isPromised))) {
        yield {
          check: "lost",
          client: member.client.name,
          ...placeOf(first),
          text: `${messages} up to offset ${last.offset} never came, and nothing said so`,
        };
      }
    }
  },
};
