import { describe, expect, test } from "bun:test";
import { eventFor } from "../support/bodies.ts";
import { HubRig } from "../support/hub.ts";

/** What a user missed of its own topic, which has no room: at the pace at which its client reads, too. */

const BOUND = 1_000_000;

function stage() {
  const wide = { historySize: 1_000, historyBytes: 8_000_000, maxHistoryBytes: 8_000_000 };
  const rig = new HubRig({ maxUnsentBytes: BOUND }, undefined, wide);
  const publish = () => rig.hub.publish("user:7", eventFor("user:7", "note", "x".repeat(16_000)), null);
  const ada = rig.connect("7");
  const { epoch } = rig.answer(ada, { type: "subscribe", topic: "user:7" });
  for (let count = 0; count < 200; count += 1) void publish();
  ada.socket.take();
  const recover = () =>
    rig.receive(ada.connection, { type: "subscribe", topic: "user:7", recover: { offset: 0, epoch } });
  return { rig, ada, publish, recover };
}

const offsetsOf = (frames: readonly Record<string, unknown>[]): unknown[] =>
  frames.flatMap(({ messages, offset, type }) =>
    Array.isArray(messages) ? messages.map((message) => message.offset) : type === "note" ? [offset] : [],
  );

describe("a recovery of the user's own topic", () => {
  test("waits while more than half of the bound is unsent, and what is sent to the user meanwhile comes behind it", async () => {
    const { rig, ada, publish, recover } = stage();
    const other = rig.connect("7");
    ada.socket.bufferedBytes = BOUND;
    recover();
    await rig.settle();
    // One part at once, which is the answer; whatever is sent to the user is kept for this connection, not for the other one.
    expect(ada.socket.frames.map(({ type }) => type)).toEqual(["subscribed"]);
    void publish();
    expect([ada.socket.pending, other.socket.pending]).toEqual([1, 1]);
    ada.socket.bufferedBytes = 0;
    rig.hub.drain(ada.connection);
    await rig.settle();
    void publish();
    const frames = ada.socket.take();
    expect(offsetsOf(frames)).toEqual(Array.from({ length: 202 }, (_, index) => index + 1));
    expect(frames.filter(({ type }) => type === "note")).toHaveLength(2);
  });

  test("of a client that never reads ends with its connection, and leaves nothing behind", async () => {
    const { rig, ada, publish, recover } = stage();
    ada.socket.bufferedBytes = BOUND + 1;
    recover();
    await rig.settle();
    rig.tick(3);
    expect(ada.socket.closed?.code).toBe(4013);
    await rig.settle();
    void publish();
    expect(ada.socket.take().map(({ type }) => type)).toEqual(["subscribed"]);
    expect([rig.hub.connections.size, rig.failures]).toEqual([0, []]);
  });
});
