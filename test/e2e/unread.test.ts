import { afterEach, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { type JsonObject, RawPeer } from "../support/peer.ts";
import { TestNode, token } from "../support/node.ts";
import { onBun } from "../support/on-bun.ts";

/** Whatever a client is sent and does not read is bounded, by whichever way it is sent; and a client that comes back finds what it missed. */

const API_KEY = "key-of-the-backend-0123456789";
const NO_RATE = {
  ...{ MESSAGES_PER_SECOND: "1000000", MESSAGE_BURST: "1000000", JOINS_PER_SECOND: "1000000", JOIN_BURST: "1000000" },
  ...{ PING_INTERVAL_MS: "100", PONG_TIMEOUT_MS: "60000", PRESENCE_GRACE_MS: "0", API_KEY },
};
const TEXT = "x".repeat(4_000);
const MINUTE_MS = 60_000;

let node: TestNode;

afterEach(() => node.stop());

/** A connection that joined the room and reads nothing more. */
async function stalled(sub: string): Promise<RawPeer> {
  const peer = await node.member(sub, "r");
  peer.pause();
  return peer;
}

async function isEnded(): Promise<boolean> {
  return ((await node.metrics()).get("tautline_slow_consumers_total") ?? 0) > 0;
}

/** Does it again and again until somebody was ended for it. */
async function untilEnded(act: (round: number) => unknown): Promise<number> {
  for (let round = 1; ; round += 1) {
    await act(round);
    if (round % 20 === 0 && (await isEnded())) return round;
    if (round > 100_000) throw new Error("nobody was ended");
  }
}

async function expectSlow(userId: string): Promise<void> {
  const audit = await node.auditAfterStop();
  const of = (event: string) => audit.filter((record) => record["event"] === event && record["userId"] === userId);
  expect(of("slow.consumer")).toHaveLength(1);
  expect(of("connection.closed")).toMatchObject([{ code: 4013 }]);
}

const WAYS: readonly (readonly [string, (slow: RawPeer, other: RawPeer) => unknown])[] = [
  [
    "messages to its user",
    () =>
      node.http("/api/users/slow/send", {
        method: "POST",
        headers: { "X-API-Key": API_KEY, "Content-Type": "application/json" },
        body: JSON.stringify({ event: "note", data: "x".repeat(16_000) }),
      }),
  ],
  [
    "announcements of who comes and goes",
    async (_slow, other) => {
      for (let times = 0; times < 50; times += 1) {
        other.send({ type: "leave_room", roomSlug: "r" });
        other.send({ type: "join_room", roomSlug: "r" });
      }
      for (let times = 0; times < 50; times += 1) await other.jsonOfType("room_joined");
    },
  ],
  ["answers to its own frames", (slow) => slow.sendAll(Array.from({ length: 500 }, (_, id) => ({ type: "ping", id })))],
  ["errors about them", (slow) => slow.sendAll(Array.from({ length: 500 }, (_, id) => ({ type: "none", id })))],
];

describe("a client that never reads", () => {
  test.each(WAYS)(
    "is ended for the %s, and nobody else notices",
    async (_way, act) => {
      node = await TestNode.start({ ...NO_RATE, MAX_UNSENT_BYTES: "393216" });
      const other = await node.connect("other", { username: "o".repeat(128) });
      const bystander = await node.connect("bystander");
      const slow = await stalled("slow");
      await untilEnded(() => act(slow, other));
      await expectUndisturbed(bystander);
      expect((await node.metrics()).get("tautline_connections")).toBe(2);
      await expectSlow("slow");
    },
    20_000,
  );

  onBun("inside")(
    "and asks for large answers all the same is left waiting with its questions, and read no further",
    async () => {
      node = await TestNode.start({ ...NO_RATE });
      const other = await node.member("other", "r");
      for (let sent = 0; sent < 60; sent += 1) other.send({ type: "chat_message", roomSlug: "r", message: TEXT });
      for (let sent = 0; sent < 60; sent += 1) await other.jsonOfType("message_sent");
      const bystander = await node.connect("bystander");
      const slow = await stalled("slow");
      const ask = ["history", "presence"].map((type) => ({ type, roomSlug: "r" }));
      // Until the questions pile up on its own side.
      for (let round = 0; slow.unwrittenBytes === 0; round += 1) {
        for (let times = 0; times < 500; times += 1) slow.sendAll(ask);
        await expectUndisturbed(bystander);
        if (round > 1_000) throw new Error("it was read for ever");
      }
      const [connection] = [...node.running.hub.connections].filter(({ principal }) => principal?.id === "slow");
      expect([connection?.isPaused, connection?.state]).toEqual([true, "open"]);
      expect(connection?.socket.bufferedBytes).toBeLessThanOrEqual(1_048_576);
      expect((await node.metrics()).get("tautline_slow_consumers_total")).toBe(0);
      slow.resume();
      const answers = new Set<unknown>();
      while (answers.size < 2) answers.add((await slow.json())["type"]);
      expect(answers).toEqual(new Set(["history", "presence_state"]));
    },
    20_000,
  );
});

describe("a burst of far more than may be unsent", () => {
  onBun("inside")(
    "reaches every member up to some message, and none behind it: who did not get all was ended, counted and audited",
    async () => {
      const COUNT = 4_000;
      node = await TestNode.start({ ...NO_RATE, MAX_UNSENT_BYTES: "524288" });
      const members = [{ name: "reader", peer: await node.member("reader", "r"), offset: 0 }];
      const slow = await stalled("slow");
      members.push({ name: "slow", peer: slow, offset: 0 });
      const frame = { type: "chat_message", roomSlug: "r", message: TEXT };
      let last = 0;
      // A sender shares a process with the node and reads while it publishes, so it may be ended before it has sent all: the next one goes on.
      while (last < COUNT) {
        const name = `sender-${members.length}`;
        const sender = await node.member(name, "r");
        members.push({ name, peer: sender, offset: last });
        // All 16 MB at once.
        sender.sendAll(Array.from({ length: COUNT }, () => frame));
        await node.metricIs("tautline_messages_in_total", (count) => count >= COUNT || sender.isEnded, MINUTE_MS);
        ({ offset: last } = await node.running.hub.broker.position("room:r"));
      }
      await node.metricIs('tautline_closes_total{code="4013"}', (count) => count > 0);
      ({ offset: last } = await node.running.hub.broker.position("room:r"));
      slow.resume();
      const ended: string[] = [];
      for (const { name, peer, offset: before } of members) {
        let offset = before;
        while (offset < last) {
          const next = await peer.jsonOfType("new_message").catch(() => null);
          if (next === null) break;
          // Of a later sender: what the one before it had sent may still have come when it joined.
          if (offset === before && before > 0) offset = Number(next["offset"]) - 1;
          expect([name, next["offset"]]).toEqual([name, offset + 1]);
          offset += 1;
        }
        if (offset < last) {
          expect([name, peer.isEnded]).toEqual([name, true]);
          ended.push(name);
        }
      }
      expect(ended).toContain("slow");
      const audit = await node.auditAfterStop();
      expect(audit.filter(({ event }) => event === "slow.consumer").map(({ userId }) => userId)).toEqual(
        expect.arrayContaining(ended),
      );
    },
    3 * MINUTE_MS,
  );
});

describe("a client that was ended because it read too slowly", () => {
  const offsetsOf = (frame: JsonObject): number[] => {
    const list = Array.isArray(frame["messages"]) ? frame["messages"] : [frame];
    return list.map((message) => Number(message["offset"]));
  };

  test("comes back with its position and gets everything that it missed, in order", async () => {
    const history = { HISTORY_SIZE: "100000", HISTORY_BYTES: "100000000" };
    node = await TestNode.start({ ...NO_RATE, ...history, MAX_UNSENT_BYTES: "524288" });
    const sender = await node.member("sender", "r");
    const slow = await stalled("slow");
    let published = 0;
    const publish = async (): Promise<void> => {
      sender.send({ type: "chat_message", roomSlug: "r", message: TEXT });
      await sender.jsonOfType("message_sent");
      published += 1;
    };
    await untilEnded(publish);
    // What waited for it when it was ended may still reach it; what comes behind its end cannot.
    for (let missed = 0; missed < 10; missed += 1) await publish();
    slow.resume();
    await slow.ended();
    const got: number[] = [];
    let epoch: unknown;
    while (slow.pendingMessages > 0) {
      const frame = await slow.json();
      if (frame["type"] !== "new_message") continue;
      got.push(...offsetsOf(frame));
      epoch = frame["epoch"];
    }
    expect(got.length).toBeWithin(1, published);

    const back = await node.connect("slow");
    back.send({ type: "join_room", roomSlug: "r", recover: { offset: got.at(-1), epoch } });
    const joined = await back.jsonOfType("room_joined");
    expect(joined).toMatchObject({ recovered: true, offset: published });
    got.push(...offsetsOf(joined));
    sender.send({ type: "chat_message", roomSlug: "r", message: "live" });
    while (got.length <= published) {
      const frame = await back.json();
      if (frame["type"] === "recovered" || frame["type"] === "new_message") got.push(...offsetsOf(frame));
    }
    expect(got).toEqual(Array.from({ length: published + 1 }, (_, index) => index + 1));
  }, 20_000);
});

test("the token of a client that never reads ends it like any other", async () => {
  node = await TestNode.start({ ...NO_RATE, CLOCK_TOLERANCE_S: "0" });
  const exp = Math.floor(Date.now() / 1_000) + 2;
  const peer = await RawPeer.open(node.port, { path: `/ws?token=${token({ sub: "slow", exp })}` });
  peer.pause();
  await node.metricIs("tautline_connections", (count) => count === 0);
  expect((await node.metrics()).get('tautline_closes_total{code="4001"}')).toBe(1);
  peer.destroy();
});
