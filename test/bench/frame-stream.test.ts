import { describe, expect, test } from "bun:test";
import { FrameStream } from "../../bench/load/frame-stream.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";

/** A server's frame: never masked (RFC 6455 section 5.1). */
function frame(opcode: number, payload: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(payload);
  const length =
    bytes.length < 126
      ? [bytes.length]
      : bytes.length < 65_536
        ? [126, bytes.length >> 8, bytes.length & 255]
        : [127, 0, 0, 0, 0, 0, (bytes.length >> 16) & 255, (bytes.length >> 8) & 255, bytes.length & 255];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...length]), bytes]);
}

const text = (type: string, pad: number): Uint8Array => frame(1, JSON.stringify({ type, pad: "x".repeat(pad) }));

/** As the server packs it: over 15 fields the header of a map is three bytes long. */
function binary(type: string, pad: number, fields = 1): Uint8Array {
  const more = Object.fromEntries(
    Array.from({ length: fields }, (_, i) => [`field${i}`, i === 0 ? "x".repeat(pad) : i]),
  );
  return frame(2, Buffer.from(msgpackCodec.encodeWith({ type, ...more }, msgpackCodec.encodeFields({ timestamp: 1 }))));
}

function record(): { stream: FrameStream; events: string[] } {
  const events: string[] = [];
  const stream = new FrameStream({
    text: (payload) => events.push(`text ${payload.length}`),
    binary: (payload) => events.push(`binary ${payload.length}`),
    ping: (payload) => events.push(`ping ${payload.length}`),
    closed: (code) => events.push(`closed ${code}`),
    broken: (reason) => events.push(`broken ${reason}`),
  });
  return { stream, events };
}

const counts = (stream: FrameStream): number[] => [stream.broadcasts, stream.acknowledgements, stream.presences];

const everything = Buffer.concat([
  text("connected", 40),
  text("new_message", 10),
  text("new_message", 300),
  text("message_sent", 20),
  frame(9, "hi"),
  text("user_joined", 5),
  text("presence_diff", 70_000),
  text("error", 200),
  text("new_message", 0),
  frame(8, new Uint8Array([0x0f, 0xa1])),
]);
const expectedEvents = ["text 69", "ping 2", "text 225", "closed 4001"];

describe("the frame stream of the load generator", () => {
  test("counts the same wherever the bytes are cut in two", () => {
    // Every cut in the first frames; the long presence frame in the middle is crossed in steps.
    for (let cut = 1; cut < everything.length; cut += cut < 600 || cut > 70_500 ? 1 : 997) {
      const { stream, events } = record();
      stream.read(everything.subarray(0, cut));
      stream.read(everything.subarray(cut));
      expect(counts(stream)).toEqual([3, 1, 2]);
      expect(events).toEqual(expectedEvents);
    }
  });

  test("counts the same when the bytes come one by one", () => {
    const { stream, events } = record();
    for (let at = 0; at < everything.length; at++) stream.read(everything.subarray(at, at + 1));
    expect(counts(stream)).toEqual([3, 1, 2]);
    expect(events).toEqual(expectedEvents);
    expect(stream.bytes).toBe(everything.length);
  });

  const mixed = Buffer.concat([
    binary("new_message", 10),
    text("new_message", 10),
    binary("new_message", 300, 20),
    binary("message_sent", 20),
    binary("user_joined", 5),
    binary("presence_diff", 70_000, 20),
    binary("room_joined", 20),
    binary("error", 200, 20),
    frame(9, "hi"),
    binary("new_message", 0),
  ]);

  test("counts MessagePack as it counts JSON, wherever the bytes are cut in two", () => {
    for (let cut = 1; cut < mixed.length; cut += cut < 1_200 || cut > 70_800 ? 1 : 997) {
      const { stream, events } = record();
      stream.read(mixed.subarray(0, cut));
      stream.read(mixed.subarray(cut));
      expect(counts(stream)).toEqual([4, 1, 2]);
      expect(events.map((event) => event.split(" ")[0])).toEqual(["binary", "binary", "ping"]);
    }
  });

  test("counts MessagePack that comes byte by byte", () => {
    const { stream } = record();
    for (let at = 0; at < mixed.length; at++) stream.read(mixed.subarray(at, at + 1));
    expect(counts(stream)).toEqual([4, 1, 2]);
  });

  test.each([
    ["an array", [0x91, ...Buffer.from("\xa4type\xabnew_message", "latin1")]],
    ["a map whose first key is another", [0x82, ...Buffer.from("\xa4tipe\xabnew_message", "latin1")]],
    ["a map whose type is no short string", [0x82, ...Buffer.from("\xa4type\xd9\x0bnew_message", "latin1")]],
  ])("hands over binary bytes that are %s instead of counting them", (_, bytes) => {
    const { stream, events } = record();
    stream.read(frame(2, new Uint8Array(bytes)));
    expect(counts(stream)).toEqual([0, 0, 0]);
    expect(events).toEqual([`binary ${bytes.length}`]);
  });

  test("reports a frame that a server may not send", () => {
    const { stream, events } = record();
    stream.read(frame(3, "?"));
    expect(events).toEqual(["broken frame of an unexpected kind"]);
  });
});
