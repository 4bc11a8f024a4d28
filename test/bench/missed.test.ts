import { describe, expect, test } from "bun:test";
import { Missed } from "../../bench/load/missed.ts";
import { jsonCodec } from "../../src/protocol/json.ts";

const EPOCH = "AAAAAAAAAAAAAAAAAAAAAA";

/** The answer to a join as the server writes it. */
function answer(offsets: readonly number[], { offset = 13, epoch = EPOCH, recovered = true, timestamp = 1 } = {}) {
  const frame = { type: "room_joined", roomSlug: "b000", userCount: 2, offset, epoch, wasRecovering: true, recovered };
  const body = { kind: "event", json: '{"type":"new_message","data":{"message":"hi"}' } as const;
  const messages = offsets.map((each) => ({ body, offset: each, epoch }));
  const encoded = jsonCodec.encodeWith({ ...frame, timestamp }, jsonCodec.encodeMessages(messages));
  return Buffer.from(String(encoded));
}

const missed = (count = 3): Missed => new Missed({ offset: 10, epoch: EPOCH }, count);

describe("what a room missed", () => {
  test("is whole in every answer with the same messages, also when the rest of the answer differs", () => {
    const room = missed();
    expect(room.isWhole(answer([11, 12, 13]))).toBe(true);
    expect(room.isWhole(answer([11, 12, 13], { timestamp: 2 }))).toBe(true);
    expect(room.until).toEqual({ offset: 13, epoch: EPOCH });
  });

  test("is whole without messages when there were none", () => {
    expect(missed(0).isWhole(answer([], { offset: 10 }))).toBe(true);
  });

  test.each([
    ["a message is missing", answer([11, 13])],
    ["the last one is missing", answer([11, 12], { offset: 12 })],
    ["a message comes twice", answer([11, 12, 12, 13])],
    ["they come in another order", answer([12, 11, 13])],
    ["an older one comes too", answer([10, 11, 12, 13])],
    ["the answer says another position", answer([11, 12, 13], { offset: 14 })],
    ["the epoch is another one", answer([11, 12, 13], { epoch: "BBBBBBBBBBBBBBBBBBBBBB" })],
    ["it was not recovered", answer([11, 12, 13], { recovered: false })],
    ["there are no messages at all", Buffer.from('{"type":"room_joined","offset":13,"recovered":false}')],
  ])("is not whole when %s, whether as the first answer or as a later one", (_, payload) => {
    expect(missed().isWhole(payload)).toBe(false);
    const room = missed();
    expect(room.isWhole(answer([11, 12, 13]))).toBe(true);
    expect(room.isWhole(payload)).toBe(false);
  });
});
