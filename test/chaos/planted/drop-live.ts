import { Rooms } from "../../../src/hub/rooms.ts";
import { patch } from "./patch.ts";

/** One live message of 50 does not reach the members of one framing. */

const EVERY = 50;
let delivered = 0;

patch(
  Rooms.prototype,
  "deliver",
  (deliver) =>
    function (this: Rooms, topic, message) {
      const framing = this.get(topic)?.framings[0];
      delivered += 1;
      if (framing === undefined || delivered % EVERY !== 0) return deliver.call(this, topic, message);
      const { members } = framing;
      framing.members = 0;
      deliver.call(this, topic, message);
      framing.members = members;
    },
);
