import { type Check, placeOf } from "../check.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Message } from "../ledger/message.ts";
import type { Slot, Stream } from "../ledger/stream.ts";

/** A message that is sent again under its id is one message as long as the epoch stays. */
export const retries: Check = {
  name: "retries",
  *find({ ledger }) {
    for (const message of ledger.messages()) {
      for (const [first, ...others] of placesOf(message).values()) {
        for (const slot of others) {
          const text = `is at offset ${first?.offset} already`;
          yield { check: "retries", client: message.from, ...placeOf(slot), id: message.id, text };
        }
      }
    }
  },
};

/** Messages that a new epoch has again: not promised, for with the old one went what was known about them. */
export function repeatedAcrossEpochs(ledger: Ledger): number {
  let repeated = 0;
  for (const message of ledger.messages()) if (placesOf(message).size > 1) repeated += 1;
  return repeated;
}

/** Where it is, by stream. A place about which clients disagree says nothing about it, and a confirmation only where nobody got it. */
function placesOf(message: Message): ReadonlyMap<Stream, readonly Slot[]> {
  const places = new Map<Stream, Slot[]>();
  const add = (slot: Slot): void => {
    places.set(slot.stream, [...(places.get(slot.stream) ?? []), slot]);
  };
  for (const slot of message.received) if (slot.views.length === 1) add(slot);
  for (const slot of message.acked.keys()) {
    if (slot.acks.has(message) && !message.received.has(slot)) add(slot);
  }
  return places;
}
