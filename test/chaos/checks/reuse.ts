import { type Check, type Evidence, type Finding, placeOf } from "../check.ts";
import { isTrue } from "../ledger/message.ts";
import { secondViews } from "../ledger/second-view.ts";

/** A place holds one message as long as its epoch stays. */
export const reuse: Check = {
  name: "reuse",
  *find({ ledger }: Evidence) {
    for (const { member, slot, first, second } of secondViews(ledger)) {
      if (first.message === second.message) continue;
      const text = `came again as message ${second.message.id} of ${second.message.from}`;
      yield { check: "reuse", client: member.client.name, ...placeOf(slot), text };
    }
    for (const slot of ledger.slots()) {
      // What nobody sent is a phantom.
      if (slot.views.length > 0 && !slot.views.some(({ version }) => isTrue(version))) continue;
      const holder = slot.message;
      for (const message of slot.acks) {
        if (message === holder || slot.views.some(({ version }) => version.message === message)) continue;
        const text = `confirmed for ${message.id}, and holds another message`;
        yield { check: "reuse", client: message.from, ...placeOf(slot), text } satisfies Finding;
      }
    }
  },
};
