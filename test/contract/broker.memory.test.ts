import { expect, test } from "bun:test";
import { MemoryBroker } from "../../src/broker/memory.ts";
import { FakeClock } from "../support/clock.ts";
import { brokerContract } from "./broker.ts";

brokerContract({
  name: "memory",
  async start(bounds, deliver) {
    const clock = new FakeClock();
    const broker = new MemoryBroker(bounds, clock, deliver);
    return {
      broker,
      async pass(ms) {
        clock.advance(ms);
        broker.sweep();
      },
      restartEmpty: async () => new MemoryBroker(bounds, clock, deliver),
    };
  },
});

test("the bytes that the memory broker counts return to nothing when everything has aged", () => {
  const clock = new FakeClock();
  const bounds = { historySize: 3, historyBytes: 500, historyTtlMs: 1_000, maxHistoryBytes: 5_000 };
  const broker = new MemoryBroker(bounds, clock, () => undefined);
  for (let n = 0; n < 100; n += 1) {
    broker.publish(
      { topic: `room:${n % 7}`, body: { kind: "event", json: `{"n":${n},"é":"${"x".repeat(n)}"` }, identity: null },
      true,
    );
    if (n % 10 === 0) broker.history(`room:${n % 7}`, null, 2);
  }
  expect(broker.historyBytes).toBeGreaterThan(0);
  clock.advance(2_000);
  broker.sweep();
  expect(broker.historyBytes).toBe(0);
});

test("streams stay within their bound: the topic that was quiet for the longest starts again, in another epoch", () => {
  const bounds = { historySize: 3, historyBytes: 500, historyTtlMs: 1_000, maxHistoryBytes: 50_000 };
  const broker = new MemoryBroker(bounds, new FakeClock(), () => undefined, { maxStreams: 2 });
  const publish = (topic: string) =>
    broker.publish({ topic, body: { kind: "event", json: "{" }, identity: null }, true);
  const first = publish("room:a");
  publish("room:b");
  publish("room:a");
  const lost = publish("room:b");
  publish("room:c");
  expect(broker.position("room:b")).toEqual({ offset: lost.offset, epoch: lost.epoch });
  expect(broker.position("room:a").offset).toBe(0);
  expect(broker.position("room:a").epoch).not.toBe(first.epoch);
  expect(broker.history("room:a", first, 10).recovered).toBe(false);
});

test("over their bound the oldest message ids are forgotten early, and counted", () => {
  const bounds = { historySize: 3, historyBytes: 500, historyTtlMs: 1_000, maxHistoryBytes: 50_000 };
  const messageIds = { maxIds: 3, maxBytes: 10_000 };
  const broker = new MemoryBroker(bounds, new FakeClock(), () => undefined, { messageIds });
  const send = (messageId: string) => {
    const identity = { userId: "ada", messageId, payload: "x" };
    return broker.publish({ topic: "room:a", body: { kind: "event", json: "{" }, identity }, true).offset;
  };
  expect(["a", "b", "c", "d"].map(send)).toEqual([1, 2, 3, 4]);
  expect(broker.droppedMessageIds).toBe(1);
  expect([send("d"), send("c"), send("b")]).toEqual([4, 3, 2]);
  expect(send("a")).toBe(5);
});
