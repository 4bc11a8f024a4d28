import { type Check, placeOf } from "../check.ts";
import { isTrue } from "../ledger/message.ts";

/** What comes is what somebody sent; what is confirmed, too. */
export const phantom: Check = {
  name: "phantom",
  *find({ ledger }) {
    for (const slot of ledger.slots()) {
      for (const { version, client } of slot.views) {
        if (isTrue(version)) continue;
        const text = version.message.attempt === null ? "nobody sent it" : "is not what was sent";
        yield { check: "phantom", client, ...placeOf(slot), id: version.message.id, text };
      }
      for (const message of slot.acks) {
        if (message.attempt?.topic === slot.stream.topic) continue;
        const text = "was confirmed, and nobody sent it there";
        yield { check: "phantom", client: message.from, ...placeOf(slot), id: message.id, text };
      }
    }
  },
};
