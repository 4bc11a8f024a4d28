import type { Access } from "../access.ts";
import type { Broker, Positioned } from "../broker/broker.ts";
import type { Engine, Frame } from "../engine/engine.ts";
import type { Counters } from "../observe/metrics.ts";
import type { Codec } from "../protocol/codec.ts";
import type { ServerFrame } from "../protocol/server-frames.ts";
import { placeOf, roomSlugOf } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";
import { SLICED_FROM, Slices } from "./slices.ts";
import { Turns } from "./turns.ts";
import type { Occupants } from "./occupants.ts";

/** One framing of a topic: the native topic that carries it and how many connections of this node are in it. */
interface Framing {
  readonly codec: Codec;
  readonly nativeTopic: string;
  members: number;
  /** Null while one publish reaches all of them quickly. */
  slices: Slices | null;
}

type TopicRules = Pick<Access, "hasHistory" | "isOpenToMembers">;

/** A topic with members on this node. */
export class Room {
  readonly topic: string;
  /** In which place it was made: the cursor of a list of rooms, which outlives the room. */
  readonly serial: number;
  readonly slug: string | null;
  readonly keepsHistory: boolean;
  /** Every member may write: a message needs no check of its own. */
  readonly isOpenToMembers: boolean;
  readonly framings: Framing[] = [];
  /** Members that are still being sent what they missed, and get live messages from the history until they have; null while there are none. */
  catchingUp: Set<Connection> | null = null;
  /** Who is there; null until presence is first asked of it, and for good in topics without presence. */
  occupants: Occupants | null = null;

  constructor(topic: string, access: TopicRules, serial: number) {
    this.topic = topic;
    this.serial = serial;
    this.keepsHistory = access.hasHistory(topic);
    this.isOpenToMembers = access.isOpenToMembers(topic);
    this.slug = roomSlugOf(topic);
  }

  get members(): number {
    let members = 0;
    for (const framing of this.framings) members += framing.members;
    return members;
  }

  /** How frames name the topic. */
  get place(): ReturnType<typeof placeOf> {
    return placeOf(this.topic);
  }

  framing(codec: Codec): Framing {
    for (const framing of this.framings) {
      if (framing.codec === codec) return framing;
    }
    const framing = {
      codec,
      nativeTopic: codec.prefix + this.topic,
      members: 0,
      slices: null,
    };
    this.framings.push(framing);
    return framing;
  }
}

interface RoomsPorts {
  readonly engine: Pick<Engine, "publish">;
  /** A room is followed for as long as it is there. */
  readonly broker: Pick<Broker, "follow" | "unfollow">;
  readonly counters: Counters;
  readonly access: TopicRules;
  /** All of this node, for the moment in which a room becomes large. */
  readonly connections: Iterable<Connection>;
  /** Runs something in the next turn of the event loop. */
  readonly later: (run: () => void) => void;
}

/**
 * Which topics have members here, and the fan-out to them: one native publish per framing that has members. Nothing here runs per
 * member.
 */
export class Rooms {
  readonly #rooms = new Map<string, Room>();
  readonly #engine: Pick<Engine, "publish">;
  readonly #broker: Pick<Broker, "follow" | "unfollow">;
  readonly #counters: Counters;
  readonly #access: TopicRules;
  readonly #connections: Iterable<Connection>;
  readonly #turns: Turns;
  #serial = 0;
  /** Connections in topics, counted once per topic. */
  memberships = 0;
  /** What the topics were sent since it was looked at what is unsent, each frame once; of text the UTF-16 units. */
  sentSinceLook = 0;

  constructor(ports: RoomsPorts) {
    this.#access = ports.access;
    this.#engine = ports.engine;
    this.#broker = ports.broker;
    this.#counters = ports.counters;
    this.#connections = ports.connections;
    this.#turns = new Turns(ports.later);
  }

  get size(): number {
    return this.#rooms.size;
  }

  get(topic: string): Room | undefined {
    return this.#rooms.get(topic);
  }

  /** In the order in which they were made, and so by serial. */
  values(): IterableIterator<Room> {
    return this.#rooms.values();
  }

  /** The room, made when nobody is in it yet: whoever asks joins it or calls `freeIfEmpty`. To be called within `Broker.enter`. */
  open(topic: string): Room {
    let room = this.#rooms.get(topic);
    if (room === undefined) {
      this.#serial += 1;
      room = new Room(topic, this.#access, this.#serial);
      this.#rooms.set(topic, room);
      this.#broker.follow(topic);
    }
    return room;
  }

  /** Not `live`: a member that gets no messages of the topic before `goLive`. */
  join(connection: Connection, room: Room, live = true): void {
    const framing = room.framing(connection.codec);
    framing.members += 1;
    this.memberships += 1;
    connection.rooms.push(room);
    if (live) this.#enter(connection, room, framing);
    else this.hold(connection, room);
    if (framing.slices === null && framing.members > SLICED_FROM) this.#slice(room, framing);
  }

  #enter(connection: Connection, room: Room, framing: Framing): void {
    connection.socket.join(framing.nativeTopic);
    const { slices } = framing;
    if (slices === null) return;
    if (this.#turns.isIdle) return slices.add(connection);
    // Behind what is still to be told: it is older than what the connection has just been told.
    this.#turns.push(() => {
      if (isLive(connection, room)) slices.add(connection);
      return true;
    });
  }

  #exit(connection: Connection, framing: Framing): void {
    connection.socket.leave(framing.nativeTopic);
    framing.slices?.delete(connection);
  }

  /** Once in the life of a large room: the only time that anything here goes through its members. */
  #slice(room: Room, framing: Framing): void {
    framing.slices = new Slices(framing.nativeTopic);
    for (const connection of this.#connections) {
      if (connection.codec === framing.codec && isLive(connection, room)) framing.slices.add(connection);
    }
  }

  /** From now on a member gets messages only by the one who calls `goLive` in the end. */
  hold(connection: Connection, room: Room): void {
    room.catchingUp ??= new Set();
    room.catchingUp.add(connection);
    this.#exit(connection, room.framing(connection.codec));
  }

  goLive(connection: Connection, room: Room): void {
    this.#release(connection, room);
    this.#enter(connection, room, room.framing(connection.codec));
  }

  #release(connection: Connection, room: Room): void {
    room.catchingUp?.delete(connection);
    if (room.catchingUp?.size === 0) room.catchingUp = null;
  }

  leave(connection: Connection, room: Room): void {
    const index = connection.rooms.indexOf(room);
    if (index === -1) return;
    connection.rooms.splice(index, 1);
    this.#release(connection, room);
    const framing = room.framing(connection.codec);
    framing.members -= 1;
    this.memberships -= 1;
    this.#exit(connection, framing);
    this.freeIfEmpty(room);
  }

  /** For a socket that is gone: the engine has already forgotten its topics. */
  leaveAll(connection: Connection): void {
    for (const room of connection.rooms) {
      const framing = room.framing(connection.codec);
      framing.members -= 1;
      framing.slices?.delete(connection);
      this.memberships -= 1;
      this.#release(connection, room);
      this.freeIfEmpty(room);
    }
    connection.rooms.length = 0;
  }

  freeIfEmpty(room: Room): void {
    if (room.members > 0 || (room.occupants !== null && room.occupants.here > 0)) return;
    if (this.#rooms.delete(room.topic)) this.#broker.unfollow(room.topic);
  }

  /** A message with its position, to all members. */
  deliver(topic: string, message: Positioned): void {
    const room = this.#rooms.get(topic);
    if (room === undefined) return;
    for (const framing of room.framings) {
      if (framing.members === 0) continue;
      const frame = framing.codec.encodePositioned(message.body, message.offset, message.epoch);
      this.#engine.publish(framing.nativeTopic, frame);
      this.#count(framing, frame);
    }
  }

  #count(framing: Framing, { length }: Frame): void {
    this.#counters.messagesOut += 1;
    this.#counters.messagesDelivered += framing.members;
    this.sentSinceLook += length;
  }

  /** A frame without a position (presence), to all members; in a large room not to all of them in this turn, but in order. */
  announce(room: Room, frame: ServerFrame): void {
    for (const framing of room.framings) {
      if (framing.members === 0) continue;
      const encoded = framing.codec.encode(frame);
      this.#publish(framing, encoded);
      sendToHeld(room, framing, encoded, null);
      this.#count(framing, encoded);
    }
  }

  /** A frame that belongs between the messages where it comes, to all members at once. */
  announceNow(room: Room, frame: ServerFrame): void {
    for (const framing of room.framings) {
      if (framing.members === 0) continue;
      const encoded = framing.codec.encode(frame);
      this.#engine.publish(framing.nativeTopic, encoded);
      sendToHeld(room, framing, encoded, null);
      this.#count(framing, encoded);
    }
  }

  #publish({ nativeTopic, slices }: Framing, encoded: Frame): void {
    if (slices === null) return this.#engine.publish(nativeTopic, encoded);
    let index = 0;
    this.#turns.push(() => {
      const slice = slices.at(index);
      index += 1;
      if (slice !== undefined) this.#engine.publish(slice, encoded);
      return slices.at(index) === undefined;
    });
  }

  /** Typing: at once, to all members but the one that caused it. */
  announceToOthers(sender: Connection, room: Room, frame: ServerFrame): void {
    for (const framing of room.framings) {
      if (framing.members === 0) continue;
      const encoded = framing.codec.encode(frame);
      if (framing.codec === sender.codec) sender.socket.publish(framing.nativeTopic, encoded);
      else this.#engine.publish(framing.nativeTopic, encoded);
      sendToHeld(room, framing, encoded, sender);
      this.#count(framing, encoded);
    }
  }
}

function isLive(connection: Connection, room: Room): boolean {
  return connection.rooms.includes(room) && room.catchingUp?.has(connection) !== true;
}

/** Who is not in the native topic yet hears of the others all the same. Mostly there is nobody. */
function sendToHeld(room: Room, framing: Framing, encoded: Frame, sender: Connection | null): void {
  if (room.catchingUp === null) return;
  for (const connection of room.catchingUp) {
    if (connection !== sender && connection.codec === framing.codec) connection.deliver(encoded);
  }
}
