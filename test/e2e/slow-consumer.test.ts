import { afterEach, beforeEach, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** A member that stops reading is ended; everybody else gets everything, in order. */

const MESSAGE = "x".repeat(4_000);
const SETTINGS = {
  ...{ MESSAGES_PER_SECOND: "1000000", MESSAGE_BURST: "1000000", HISTORY_BYTES: "65536" },
  // Much more than can be published between two sweeps: the engine's own net, which cannot be counted, stays out of it.
  MAX_UNSENT_BYTES: "4194304",
  ...{ PING_INTERVAL_MS: "100", PONG_TIMEOUT_MS: "60000", PRESENCE_GRACE_MS: "60000" },
};

let node: TestNode;
let sender: RawPeer;
let reader: RawPeer;

beforeEach(async () => {
  sent = 0;
  node = await TestNode.start(SETTINGS);
  sender = await node.member("sender", "r");
  reader = await node.member("reader", "r");
});

afterEach(() => node.stop());

async function stalledMember(options = {}): Promise<RawPeer> {
  const stalled = await RawPeer.open(node.port, { path: `/ws?token=${token({ sub: "stalled" })}` }, options);
  stalled.send({ type: "join_room", roomSlug: "r" });
  await stalled.jsonOfType("room_joined");
  stalled.pause();
  return stalled;
}

/** Over a whole test, so that no message has the id of another. */
let sent = 0;

/** One message after another, each acknowledged before the next, until the condition holds. Their number. */
async function publishUntil(isDone: () => Promise<boolean>): Promise<number> {
  let published = 0;
  while (published % 100 !== 0 || !(await isDone())) {
    sender.send({ type: "chat_message", roomSlug: "r", message: MESSAGE, messageId: `m${sent}` });
    await sender.jsonOfType("message_sent");
    sent += 1;
    published += 1;
    if (published > 20_000) throw new Error("the stalled member was never ended");
  }
  return published;
}

async function expectEverything(peer: RawPeer, count: number): Promise<void> {
  for (let offset = 1; offset <= count; offset += 1) {
    const frame = await peer.jsonOfType("new_message");
    expect(frame).toMatchObject({ offset, data: { slug: `m${offset - 1}` } });
  }
}

test("a member that stops reading is ended, counted and audited, and the others miss nothing", async () => {
  using stalled = await stalledMember();
  const published = await publishUntil(async () => (await node.metrics()).get("tautline_connections") === 2);
  await expectEverything(reader, published);
  expect((await node.metrics()).get("tautline_slow_consumers_total")).toBe(1);
  stalled.resume();
  await stalled.ended();
  const received: number[] = [];
  while (stalled.pendingMessages > 0) {
    const frame = await stalled.json();
    if (frame["type"] === "new_message") received.push(Number(frame["offset"]));
  }
  // What reached it is a beginning without holes.
  expect(received).toEqual(received.map((_, index) => index + 1));
  expect(received.length).toBeLessThan(published);
  const audit = await node.auditAfterStop();
  expect(audit).toContainEqual(expect.objectContaining({ event: "slow.consumer", userId: "stalled" }));
  expect(audit).toContainEqual(expect.objectContaining({ event: "connection.closed", userId: "stalled", code: 4013 }));
}, 20_000);

test("a member that reads slowly but reads is not ended", async () => {
  using slow = await stalledMember();
  for (let round = 0; round < 5; round += 1) {
    let count = 0;
    await publishUntil(async () => (count += 1) > 2);
    slow.resume();
    const wanted = 200 * (round + 1);
    await slow.until("the messages so far", () => (slow.pendingMessages >= wanted ? true : undefined));
    slow.pause();
  }
  slow.resume();
  expect(slow.isEnded).toBe(false);
  expect((await node.metrics()).get("tautline_slow_consumers_total")).toBe(0);
}, 20_000);
