import type { Check } from "../check.ts";

/** A run in which nothing was confirmed or nothing came has shown nothing. */
export const empty: Check = {
  name: "empty",
  *find({ ledger, accounts }) {
    const isAcked = ledger.messages().some(({ acked }) => acked.size > 0);
    const isReceived = accounts.some(({ live, recovered }) => live + recovered > 0);
    if (isAcked && isReceived) return;
    const text = isAcked ? "nobody received anything" : "nothing was confirmed";
    yield { check: "empty", topic: "", client: "", text };
  },
};
