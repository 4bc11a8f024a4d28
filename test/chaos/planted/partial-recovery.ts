import { MemoryBroker } from "../../../src/broker/memory.ts";
import { patch } from "./patch.ts";

/** Where the history does not reach back as far, what is left of it goes for everything. */

patch(
  MemoryBroker.prototype,
  "history",
  (history) =>
    function (this: MemoryBroker, topic, since, limit) {
      const answer = history.call(this, topic, since, limit);
      const isTrimmed = since !== null && since.epoch === answer.epoch && !answer.recovered;
      return isTrimmed ? { ...history.call(this, topic, null, limit), recovered: true } : answer;
    },
);
