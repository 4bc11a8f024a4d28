import type { History, Position, Positioned } from "../broker/broker.ts";
import type { Around } from "../protocol/server-frames.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { isCongested, relieved } from "./pacing.ts";
import { placeOf } from "../protocol/topic.ts";
import type { Room } from "./rooms.ts";

/** How many messages are looked up at once while a connection catches up with what was published meanwhile. */
const LIVE_BATCH = 100;

/** What a member is still to be sent before it gets live messages from the topic itself. */
interface Backlog {
  readonly topic: string;
  readonly stream: Held;
  /** The parts behind the first, which the answer to the join had. */
  readonly rest: readonly (readonly Positioned[])[];
  /** Where they end. */
  readonly position: Position;
}

/** A topic whose live messages the connection does not get before it has caught up. */
interface Held {
  /** Not any more once the connection was taken out of the topic, though it may be back in it by now: then it is live already. */
  isHeld(): boolean;
  goLive(): void;
}

/** The connection is a member of the room, and gets no messages of it. */
export function heldInRoom(hub: Hub, connection: Connection, room: Room): Held {
  return {
    isHeld: () => room.catchingUp?.has(connection) === true,
    goLive: () => hub.rooms.goLive(connection, room),
  };
}

/** There is no room of a user's own topic: from here on the connection is left out of what is sent to its user. */
export function holdOwn(connection: Connection): Held {
  connection.isOwnHeld = true;
  return {
    isHeld: () => connection.state !== "gone" && connection.isOwnHeld,
    goLive() {
      connection.isOwnHeld = false;
    },
  };
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

async function sendMissed(hub: Hub, connection: Connection, backlog: Backlog): Promise<void> {
  const { topic, stream, rest, position } = backlog;
  const place = placeOf(topic);
  for (const [index, part] of rest.entries()) {
    if (isCongested(hub, connection)) await relieved(hub, connection);
    if (!stream.isHeld()) return;
    const more = index < rest.length - 1;
    const frame: Around<"recovered"> = { type: "recovered", ...place, more, timestamp: hub.clock.now() };
    connection.sendWith(frame, hub.answers.messages(topic, connection.codec, part));
    // Others have their turn between two parts, however fast the client reads.
    await new Promise<void>((resolve) => hub.later(resolve));
  }
  for (let reached: Position | null = position; reached !== null;) {
    if (isCongested(hub, connection)) await relieved(hub, connection);
    if (!stream.isHeld()) return;
    const answer = hub.broker.history(topic, reached, LIVE_BATCH);
    const missed = answer instanceof Promise ? await answer : answer;
    if (!stream.isHeld()) return;
    if (missed.messages.length > 0 || !missed.recovered) reached = sendLive(hub, connection, missed, reached);
    else reached = await goLive(hub, connection, backlog, reached);
  }
}

/** Where it was sent up to; null: it could not keep up and was ended. */
function sendLive(hub: Hub, connection: Connection, missed: History, since: Position): Position | null {
  if (!missed.recovered) {
    hub.endSlowConsumer(connection);
    return null;
  }
  let reached = since;
  for (const message of missed.messages) {
    if (isCongested(hub, connection)) break;
    connection.deliver(connection.codec.encodePositioned(message.body, message.offset, message.epoch));
    reached = message;
  }
  return reached;
}

/** Into the topic itself, unless there is something to be sent before: null when it is there. */
function goLive(
  hub: Hub,
  connection: Connection,
  { topic, stream }: Backlog,
  since: Position,
): Position | null | Promise<Position | null> {
  return hub.broker.enter([{ topic, since }], ([missed]) => {
    if (missed === undefined || !stream.isHeld()) return null;
    const reached = sendLive(hub, connection, missed, since);
    if (reached === null || reached.offset < missed.offset) return reached;
    stream.goLive();
    return null;
  });
}
