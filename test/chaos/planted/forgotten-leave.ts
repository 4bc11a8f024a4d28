import { Presence } from "../../../src/hub/presence.ts";
import { patch } from "./patch.ts";

/** Nobody hears of a user that has left. */

patch(
  Presence.prototype,
  "leave",
  (leave) =>
    function (this: Presence, room, userId) {
      leave.call(this, room, userId, "silent");
    },
);
