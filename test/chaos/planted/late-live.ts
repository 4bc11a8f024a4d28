import type { Connection } from "../../../src/hub/connection.ts";
import { type Room, Rooms } from "../../../src/hub/rooms.ts";
import { patch } from "./patch.ts";

/** A member that joins gets live messages one message too late. */

const late = new Map<Room, Connection[]>();

patch(
  Rooms.prototype,
  "join",
  (join) =>
    function (this: Rooms, connection, room, isLive = true) {
      join.call(this, connection, room, false);
      if (isLive) late.set(room, [...(late.get(room) ?? []), connection]);
    },
);

patch(
  Rooms.prototype,
  "deliver",
  (deliver) =>
    function (this: Rooms, topic, message) {
      deliver.call(this, topic, message);
      const room = this.get(topic);
      if (room === undefined) return;
      for (const connection of late.get(room) ?? []) {
        if (connection.rooms.includes(room)) this.goLive(connection, room);
      }
      late.delete(room);
    },
);
