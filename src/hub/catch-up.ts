import type { Position, Positioned } from "../broker/broker.ts";
import type { Around } from "../protocol/server-frames.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { isCongested, relieved } from "./pacing.ts";
import type { Room } from "./rooms.ts";

/** How many messages are looked up at once while a connection catches up with what was published meanwhile. */
const LIVE_BATCH = 100;

/** What a member is still to be sent before it gets live messages from the topic itself. */
interface Backlog {
  readonly room: Room;
  /** The parts behind the first, which the answer to the join had. */
  readonly rest: readonly (readonly Positioned[])[];
  /** Where they end. */
  readonly position: Position;
}

/**
 * The rest of a recovery that one frame does not hold, at the pace at which the client reads; then what was published meanwhile, as
 * live frames; then the topic itself. The connection is a member all the time, and its next frames wait. One that falls behind the history
 * is ended: a stream with a hole is never continued.
 */
export async function catchUp(hub: Hub, connection: Connection, backlog: Backlog): Promise<void> {
  try {
    await sendMissed(hub, connection, backlog);
  } catch (error) {
    // Without what it has missed it must not go on.
    connection.close(1011);
    throw error;
  }
}

async function sendMissed(hub: Hub, connection: Connection, { room, rest, position }: Backlog): Promise<void> {
  for (const [index, part] of rest.entries()) {
    if (isCongested(hub, connection)) await relieved(hub, connection);
    if (!isHeld(connection, room)) return;
    const more = index < rest.length - 1;
    const frame: Around<"recovered"> = { type: "recovered", ...room.place, more, timestamp: hub.clock.now() };
    connection.sendWith(frame, hub.answers.messages(room.topic, connection.codec, part));
    // Others have their turn between two parts, however fast the client reads.
    await new Promise<void>((resolve) => hub.later(resolve));
  }
  let reached = position;
  for (;;) {
    if (isCongested(hub, connection)) await relieved(hub, connection);
    if (!isHeld(connection, room)) return;
    const answer = hub.broker.history(room.topic, reached, LIVE_BATCH);
    // No await where nothing waits: a message published in between would be missed.
    const missed = answer instanceof Promise ? await answer : answer;
    if (!isHeld(connection, room)) return;
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
      connection.deliver(connection.codec.encodePositioned(message.body, message.offset, message.epoch));
      reached = message;
    }
  }
}

/** Not any more once it was taken out of the topic, though it may be back in it by now: then it is live already. */
function isHeld(connection: Connection, room: Room): boolean {
  return room.catchingUp?.has(connection) === true;
}
