/** The broker of a node alone, with no WebSocket: keeps messages in flight for a while, and prints what came of it as one line of JSON. */
import * as v from "valibot";
import type { Publication } from "../../src/broker/broker.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { RedisBroker } from "../../src/broker/redis.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { chatBody } from "../../src/protocol/codec.ts";
import { cpuMs } from "../load/usage.ts";

const IN_FLIGHT = 1_000;
const TOPICS = 100;
const DRAIN_DEADLINE_MS = 5_000;
/** As they are when nothing is set. */
const BOUNDS = { historySize: 100, historyBytes: 262_144, historyTtlMs: 300_000 };
const TEXT = "tautline ".repeat(4);
/** No run before has used its message ids. */
const RUN = crypto.randomUUID().slice(0, 8);

const integer = v.pipe(v.string(), v.transform(Number), v.integer());
const given = v.tuple([v.string(), integer, integer, integer]);
const [url, warmupMs, measureMs, redisPid] = v.parse(given, process.argv.slice(2));

const run = { published: 0, delivered: 0, isOver: false };
let serial = 0;

const links = (redisAddresses(url) ?? []).map(
  (address) => new RedisLink({ address, clock: systemClock, report: () => {} }),
);
const broker = new RedisBroker(BOUNDS, {
  ...{ links, clock: systemClock, lose: () => {} },
  deliver: () => void (run.delivered += 1),
});
await Promise.all(links.map((link) => link.start()));
const topics = Array.from({ length: TOPICS }, (_, index) => `room:b${String(index).padStart(3, "0")}`);
// Entered and followed, as by a member.
for (const topic of topics) await broker.enter([{ topic, since: null }], () => broker.follow(topic));

/** A chat message as the hub makes it. */
function publication(topic: string): Publication {
  serial += 1;
  const messageId = RUN + String(serial).padStart(8, "0");
  const body = chatBody({
    type: "new_message",
    timestamp: systemClock.now(),
    roomSlug: topic.slice(5),
    data: {
      ...{ slug: messageId, chatRoomSlug: topic.slice(5), userSlug: "u00001", username: "u00001" },
      ...{ messageType: "TEXT", message: TEXT, createdAt: "2026-01-01T00:00:00.000Z" },
    },
  });
  return { topic, body, identity: { userId: "u00001", messageId, payload: TEXT } };
}

/** Ends with the first failure, and the process with it. */
async function keepOneInFlight(topic: string): Promise<void> {
  while (!run.isOver) {
    await broker.publish(publication(topic), true);
    run.published += 1;
  }
}

const running = Array.from({ length: IN_FLIGHT }, (_, index) => keepOneInFlight(topics[index % TOPICS] ?? ""));
await Bun.sleep(warmupMs);
const start = { atMs: performance.now(), own: cpuMs(process.pid), redis: cpuMs(redisPid), published: run.published };
await Bun.sleep(measureMs);
const report = {
  elapsedMs: performance.now() - start.atMs,
  messages: run.published - start.published,
  serverCpuMs: cpuMs(process.pid) - start.own,
  brokerCpuMs: cpuMs(redisPid) - start.redis,
  generatorCpuMs: 0,
};
run.isOver = true;
await Promise.all(running);
for (const deadlineMs = performance.now() + DRAIN_DEADLINE_MS; run.delivered < run.published; await Bun.sleep(1)) {
  if (performance.now() > deadlineMs) throw new Error("messages were published and not delivered");
}
console.log(JSON.stringify(report));
process.exit(0);
