import { type Check, type Evidence, placeOf } from "../check.ts";
import { isTrue } from "../ledger/message.ts";

/** All clients see one history, and who is told where a message is finds it there. */
export const divergence: Check = {
  name: "divergence",
  *find({ ledger }: Evidence) {
    for (const slot of ledger.slots()) {
      // What nobody sent is a phantom.
      const [first, ...others] = slot.views.filter(({ version }) => isTrue(version));
      for (const { client, version } of others) {
        const text = `is ${version.message.id} to ${client}, and ${first?.version.message.id} to ${first?.client}`;
        yield { check: "divergence", client, ...placeOf(slot), text };
      }
    }
    for (const message of ledger.messages()) {
      for (const slot of message.acked.keys()) {
        if (slot.acks.has(message)) continue;
        const [found] = message.receivedIn(slot.stream);
        const text = `was confirmed here, and came at offset ${found?.offset}`;
        yield { check: "divergence", client: message.from, ...placeOf(slot), id: message.id, text };
      }
    }
  },
};
