import { expect, test } from "bun:test";
import type { History, Positioned } from "../../src/broker/broker.ts";
import { FollowedTopic } from "../../src/broker/redis/followed-topic.ts";

const EPOCH = "e";

function message(offset: number): Positioned {
  return { offset, epoch: EPOCH, body: { kind: "event", json: '{"type":"note"' } };
}

function standing(offset: number): History {
  return { offset, epoch: EPOCH, recovered: true, messages: [] };
}

async function liveTopic(): Promise<FollowedTopic> {
  const ports = { read: () => Promise.resolve(standing(0)), deliver: () => undefined, lose: () => undefined };
  const topic = new FollowedTopic("room:a", ports);
  await topic.repair();
  return topic;
}

test("a topic that somebody is always about to join keeps no more than those who are joining need", async () => {
  const topic = await liveTopic();
  let reader = topic.beginReading();
  for (let offset = 1; offset <= 5_000; offset += 1) {
    topic.take(message(offset));
    if (offset % 10 !== 0) continue;
    const next = topic.beginReading();
    topic.endReading(reader);
    reader = next;
    topic.take(message(offset));
  }
  expect(topic.held).toBeLessThanOrEqual(20);
  expect(topic.upToNow(standing(5_000))?.messages).toEqual([]);
});

test("a join that reads while 10,000 messages are delivered reads again, and gets what came behind that", async () => {
  const topic = await liveTopic();
  const reader = topic.beginReading();
  for (let offset = 1; offset <= 10_050; offset += 1) topic.take(message(offset));
  expect(topic.held).toBeLessThan(10_001);
  expect(topic.upToNow(standing(0))).toBeNull();
  expect(topic.upToNow(standing(10_040))?.messages.map(({ offset }) => offset)).toEqual([
    10_041, 10_042, 10_043, 10_044, 10_045, 10_046, 10_047, 10_048, 10_049, 10_050,
  ]);
  topic.endReading(reader);
  expect(topic.held).toBe(0);
});
