import { MemoryBroker } from "../../../src/broker/memory.ts";
import { patch } from "./patch.ts";

/** A message that is sent again under its id is another message. */

patch(
  MemoryBroker.prototype,
  "publish",
  (publish) =>
    function (this: MemoryBroker, publication, keepsHistory) {
      return publish.call(this, { ...publication, identity: null }, keepsHistory);
    },
);
