import { MemoryBroker } from "../../../src/broker/memory.ts";
import { patch } from "./patch.ts";

/** A recovery leaves out the first of the messages that were missed. */

patch(
  MemoryBroker.prototype,
  "history",
  (history) =>
    function (this: MemoryBroker, topic, since, limit) {
      const answer = history.call(this, topic, since, limit);
      return since === null ? answer : { ...answer, messages: answer.messages.slice(1) };
    },
);
