import { afterEach, expect, type Mock, spyOn, test } from "bun:test";
import type { Codec, PositionedBody } from "../../src/protocol/codec.ts";
import { jsonCodec } from "../../src/protocol/json.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { eventFor } from "../support/bodies.ts";
import { HubRig } from "../support/hub.ts";

/** Connections of both framings behind one hub: each hears the same, and nothing is encoded twice for one framing. */

const spies: Mock<(...args: never[]) => unknown>[] = [];
afterEach(() => {
  for (const spy of spies.splice(0)) spy.mockRestore();
});

/** How often each framing encodes by the method, from now on. */
function countOf(method: "encode" | "encodePositioned" | "encodeFields"): () => [json: number, msgpack: number] {
  const json = spyOn(jsonCodec, method);
  const msgpack = spyOn(msgpackCodec, method);
  spies.push(json, msgpack);
  return () => [json.mock.calls.length, msgpack.mock.calls.length];
}

const FIVE: readonly Codec[] = [jsonCodec, msgpackCodec, jsonCodec, msgpackCodec, jsonCodec];
const DATA = { a: [1.5, null] };
const noteFor = (topic: string): PositionedBody => ({ body: eventFor(topic, "note", DATA), offset: 3, epoch: "e" });

test("a message to a user reaches all its connections, encoded once per framing", () => {
  const rig = new HubRig();
  const sockets = FIVE.map((codec) => rig.connect("ada", codec).socket);
  const count = countOf("encodePositioned");
  rig.hub.deliver("user:ada", noteFor("user:ada"));
  for (const socket of sockets) {
    expect(socket.take()).toMatchObject([{ type: "note", topic: "user:ada", data: DATA, offset: 3, epoch: "e" }]);
  }
  expect(count()).toEqual([1, 1]);
});

test("a message to a room reaches all its members, encoded once per framing, and for no framing without members", () => {
  const rig = new HubRig();
  const members = FIVE.map((codec) => rig.member("ada", "r", codec));
  const count = countOf("encodePositioned");
  rig.hub.deliver("room:r", noteFor("room:r"));
  const heard = members.map(({ socket }) => socket.take());
  for (const frames of heard) expect(frames).toEqual(heard[0] ?? []);
  expect(count()).toEqual([1, 1]);
  for (const { connection } of members) {
    if (connection.codec === jsonCodec) rig.receive(connection, { type: "leave_room", roomSlug: "r" });
  }
  rig.hub.deliver("room:r", noteFor("room:r"));
  expect(count()).toEqual([1, 2]);
});

test.each([
  ["JSON", jsonCodec],
  ["MessagePack", msgpackCodec],
])(
  "typing of a member that speaks %s is heard by all but the one connection, encoded once per framing",
  (_what, codec) => {
    const rig = new HubRig();
    const others = FIVE.map((framing, index) => rig.member(`u${index}`, "r", framing));
    const typist = rig.member("ada", "r", codec);
    for (const { socket } of others) socket.take();
    const count = countOf("encode");
    rig.receive(typist.connection, { type: "typing", roomSlug: "r", isTyping: true });
    for (const { socket } of others) expect(socket.take()).toMatchObject([{ type: "typing", userId: "ada" }]);
    expect(typist.socket.take()).toEqual([]);
    expect(count()).toEqual([1, 1]);
  },
);

test("what all greetings say alike is encoded once per framing", () => {
  const rig = new HubRig();
  const count = countOf("encodeFields");
  for (const codec of FIVE) rig.connect("ada", codec);
  expect(count()).toEqual([1, 1]);
});
