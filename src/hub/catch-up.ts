import type { Position, Positioned } from "../broker/broker.ts";
import type { Around } from "../protocol/frames.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { isCongested, relieved } from "./pacing.ts";
import type { Room } from "./rooms.ts";

/** How many messages are looked up at once while a connection catches up with what was published meanwhile. */
const LIVE_BATCH = 100;

/**
 * The rest of a recovery that one frame does not hold, at the pace at which the client reads; then what was published meanwhile, as
 * live frames; then the topic itself. The connection is a member all the time, and its next frames wait. One that falls behind the history
 * is ended: a stream with a hole is never continued.
 */
export async function catchUp(
  hub: Hub,
  connection: Connection,
  room: Room,
  rest: readonly (readonly Positioned[])[],
  position: Position,
): Promise<void> {
  try {
    await sendMissed(hub, connection, room, rest, position);
  } catch (error) {
    // Without what it has missed it must not go on.
    connection.close(1011);
    throw error;
  }
}

/** Others have theirs between two parts, however fast the client reads. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function sendMissed(
  hub: Hub,
  connection: Connection,
  room: Room,
  rest: readonly (readonly Positioned[])[],
  position: Position,
): Promise<void> {
  for (const [index, part] of rest.entries()) {
    if (isCongested(hub, connection)) await relieved(hub, connection);
    if (!connection.rooms.includes(room)) return;
    const more = index < rest.length - 1;
    const frame: Around<"recovered"> = { type: "recovered", ...room.place, more, timestamp: hub.clock.now() };
    connection.sendWith(frame, connection.codec.encodeMessages(part));
    await turn();
  }
  let reached = position;
  for (;;) {
    if (isCongested(hub, connection)) await relieved(hub, connection);
    if (!connection.rooms.includes(room)) return;
    const answer = hub.broker.history(room.topic, reached, LIVE_BATCH);
    // No await where nothing waits: a message published in between would be missed.
    const missed = answer instanceof Promise ? await answer : answer;
    if (!connection.rooms.includes(room)) return;
    if (!missed.recovered) {
      hub.endSlowConsumer(connection);
      return;
    }
    if (missed.messages.length === 0) {
      hub.rooms.goLive(connection, room);
      return;
    }
    for (const message of missed.messages) {
      if (isCongested(hub, connection)) break;
      connection.socket.send(connection.codec.encodePositioned(message.body, message.offset, message.epoch));
      reached = message;
    }
  }
}
