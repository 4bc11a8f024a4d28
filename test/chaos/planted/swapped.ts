import type { Positioned } from "../../../src/broker/broker.ts";
import { Rooms } from "../../../src/hub/rooms.ts";
import { patch } from "./patch.ts";

/** One live message of 50 goes out behind the one after it. */

const EVERY = 50;
const held = new Map<string, Positioned>();
let delivered = 0;

patch(
  Rooms.prototype,
  "deliver",
  (deliver) =>
    function (this: Rooms, topic, message) {
      delivered += 1;
      const before = held.get(topic);
      if (before === undefined && delivered % EVERY === 0) {
        held.set(topic, message);
        return;
      }
      held.delete(topic);
      deliver.call(this, topic, message);
      if (before !== undefined) deliver.call(this, topic, before);
    },
);
