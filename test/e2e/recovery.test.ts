import { afterEach, describe, expect, test } from "bun:test";
import { TestNode } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";

/** Recovery over real connections that really break, while the room is being written to. */

const NO_RATE = {
  MESSAGES_PER_SECOND: "100000",
  MESSAGE_BURST: "100000",
  HANDSHAKES_PER_SECOND: "100000",
  HANDSHAKE_BURST: "100000",
  JOINS_PER_SECOND: "100000",
  JOIN_BURST: "100000",
  MAX_CONNECTIONS_PER_USER: "1000",
};

let node: TestNode;

afterEach(() => node.stop());

const messagesOf = (frame: JsonObject): JsonObject[] => {
  const list = frame["messages"];
  return Array.isArray(list) ? list : [];
};

async function ask(peer: RawPeer, frame: object, type: string): Promise<JsonObject> {
  peer.send(frame);
  return peer.jsonOfType(type);
}

async function collect(peer: RawPeer, type: string, count: number): Promise<JsonObject[]> {
  const frames: JsonObject[] = [];
  while (frames.length < count) frames.push(await peer.jsonOfType(type));
  return frames;
}

/** A member that notes every message with its offset, recovered or live, over all of its connections. */
class Reader {
  readonly offsets: number[] = [];
  readonly bodies = new Map<number, string>();
  epoch = "";
  refused = 0;
  #peer: RawPeer | null = null;

  async join(userId: string): Promise<void> {
    const peer = await node.connect(userId);
    const recover = this.epoch === "" ? undefined : { offset: this.offsets.at(-1) ?? 0, epoch: this.epoch };
    peer.send({ type: "join_room", roomSlug: "r", recover });
    const joined = await peer.jsonOfType("room_joined");
    if (recover !== undefined && joined["recovered"] !== true) this.refused += 1;
    this.epoch = String(joined["epoch"]);
    this.#peer = peer;
    for (const message of messagesOf(joined)) this.#note(message);
  }

  /** Takes what has come so far, then cuts the connection without a word. */
  async cut(): Promise<void> {
    await this.drain();
    this.#peer?.destroy();
  }

  async drain(): Promise<void> {
    const peer = this.#peer;
    if (peer === null) return;
    for (let left = peer.pendingMessages; left > 0; left -= 1) {
      const frame = await peer.json();
      if (frame["type"] === "recovered") for (const message of messagesOf(frame)) this.#note(message);
      if (frame["type"] === "new_message") this.#note(frame);
    }
  }

  async reaches(offset: number): Promise<void> {
    const deadline = performance.now() + 4_000;
    while ((this.offsets.at(-1) ?? 0) < offset) {
      if (performance.now() > deadline) throw new Error(`stayed at ${this.offsets.at(-1)} of ${offset}`);
      await new Promise((resolve) => setImmediate(resolve));
      await this.drain();
    }
  }

  #note(message: JsonObject): void {
    const offset = Number(message["offset"]);
    this.offsets.push(offset);
    this.bodies.set(offset, JSON.stringify(message));
  }
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe("a client whose connection breaks again and again", () => {
  test("gets every message exactly once and in order while the room is being written to", async () => {
    node = await TestNode.start({ ...NO_RATE, HISTORY_SIZE: "5000" });
    const [ada, steady] = [await node.member("ada", "r"), await node.member("carol", "r")];
    const reader = new Reader();
    await reader.join("bob");
    const ROUNDS = 60;
    const PER_ROUND = 25;
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let n = 0; n < PER_ROUND; n += 1) {
        ada.send({ type: "chat_message", roomSlug: "r", message: `m${round}-${n}` });
      }
      // Not awaited: the cut and the return fall anywhere among the messages.
      if (round % 3 !== 0) {
        await new Promise((resolve) => setImmediate(resolve));
        await reader.cut();
        await reader.join("bob");
      }
    }
    const last = ROUNDS * PER_ROUND;
    await reader.reaches(last);
    expect(reader.offsets).toEqual(upTo(last));
    expect(reader.refused).toBe(0);
    const live = (await collect(steady, "new_message", last)).map((frame) => JSON.stringify(frame));
    expect([...reader.bodies.values()]).toEqual(live);
  });
});

describe("a client that was away", () => {
  test("for too long is told that it cannot be recovered, and goes on from the newest position", async () => {
    node = await TestNode.start({ ...NO_RATE, HISTORY_SIZE: "10" });
    const ada = await node.member("ada", "r");
    const first = await ask(ada, { type: "history", roomSlug: "r" }, "history");
    for (let n = 0; n < 11; n += 1) {
      await ask(ada, { type: "chat_message", roomSlug: "r", message: "x" }, "message_sent");
    }
    const bob = await node.connect("bob");
    bob.send({ type: "join_room", roomSlug: "r", recover: { offset: 0, epoch: first["epoch"] } });
    const joined = await bob.jsonOfType("room_joined");
    expect(joined).toMatchObject({ wasRecovering: true, recovered: false, offset: 11 });
    expect(joined).not.toHaveProperty("messages");
  });

  test("while the node was started again is told so: the stream has another epoch", async () => {
    node = await TestNode.start(NO_RATE);
    const before = await node.member("ada", "r");
    const { offset, epoch } = await ask(before, { type: "history", roomSlug: "r" }, "history");
    await node.stop();
    node = await TestNode.start(NO_RATE);
    const after = await node.connect("ada");
    after.send({ type: "join_room", roomSlug: "r", recover: { offset, epoch } });
    const joined = await after.jsonOfType("room_joined");
    expect(joined).toMatchObject({ wasRecovering: true, recovered: false });
    expect(joined["epoch"]).not.toBe(epoch);
  });

  test("gets 12 MB in parts although it does not read for a while, and the live messages behind them", async () => {
    const sizes = { HISTORY_SIZE: "5000", HISTORY_BYTES: "13000000", MAX_UNSENT_BYTES: "13200000" };
    node = await TestNode.start({ ...NO_RATE, ...sizes });
    const [MISSED, LIVE] = [3_000, 50];
    const ada = await node.member("ada", "r");
    const text = "x".repeat(4_000);
    for (let n = 0; n < MISSED; n += 1) ada.send({ type: "chat_message", roomSlug: "r", message: text });
    await node.metricIs("tautline_messages_delivered_total", (count) => count >= MISSED);
    const { epoch } = await ask(ada, { type: "history", roomSlug: "r", limit: 1 }, "history");
    const bob = await node.connect("bob");
    bob.pause();
    bob.send({ type: "join_room", roomSlug: "r", recover: { offset: 0, epoch } });
    await node.metricIs("tautline_memberships", (count) => count === 2);
    for (let n = 0; n < LIVE; n += 1) ada.send({ type: "chat_message", roomSlug: "r", message: "live" });
    await collect(ada, "message_sent", LIVE);
    bob.resume();
    const joined = await bob.jsonOfType("room_joined");
    expect(joined).toMatchObject({ recovered: true, offset: MISSED });
    const offsets = messagesOf(joined).map((message) => message["offset"]);
    let parts = 0;
    for (let more = true; more; parts += 1) {
      const part = await bob.jsonOfType("recovered");
      offsets.push(...messagesOf(part).map((message) => message["offset"]));
      more = part["more"] === true;
    }
    expect(parts).toBeGreaterThan(40);
    offsets.push(...(await collect(bob, "new_message", LIVE)).map((frame) => frame["offset"]));
    expect(offsets).toEqual(upTo(MISSED + LIVE));
  });
});

describe("a client that joins all its rooms again at once", () => {
  test("recovers 100 of them, 15 MB in one go, although it reads only later", async () => {
    node = await TestNode.start({ ...NO_RATE, PONG_TIMEOUT_MS: "90000" });
    const [ROOMS, MESSAGES] = [100, 40];
    const ada = await node.connect("ada");
    const text = "x".repeat(3_700);
    const epochs: string[] = [];
    for (let room = 0; room < ROOMS; room += 1) {
      const roomSlug = `r${room}`;
      epochs.push(String((await ask(ada, { type: "join_room", roomSlug }, "room_joined"))["epoch"]));
      for (let n = 0; n < MESSAGES; n += 1) ada.send({ type: "chat_message", roomSlug, message: text });
      await collect(ada, "message_sent", MESSAGES);
    }
    const bob = await node.connect("bob");
    bob.pause();
    const joins = epochs.map((epoch, room) => ({
      ...{ type: "join_room", roomSlug: `r${room}`, id: room },
      recover: { offset: 0, epoch },
    }));
    bob.sendAll(joins);
    // Its own kernel buffers and half of the bound hold a part of the answers; the other joins wait.
    await node.metricIs("tautline_memberships", (count) => count > ROOMS);
    bob.resume();
    const answers = await collect(bob, "room_joined", ROOMS);
    expect(answers.map(({ id }) => id)).toEqual(upTo(ROOMS).map((n) => n - 1));
    expect(answers.every(({ recovered }) => recovered === true)).toBe(true);
    for (const frame of answers) {
      expect(messagesOf(frame).map(({ offset }) => offset)).toEqual(upTo(MESSAGES));
    }
    expect(bob.isEnded).toBe(false);
  }, 20_000);
});

describe("a message that is sent again", () => {
  test("on another connection gets the first answer and reaches nobody twice", async () => {
    node = await TestNode.start(NO_RATE);
    const [first, bob] = [await node.member("ada", "r"), await node.member("bob", "r")];
    const message = { type: "chat_message", roomSlug: "r", message: "once", messageId: "m-1" };
    const sent = await ask(first, message, "message_sent");
    first.destroy();
    const second = await node.member("ada", "r");
    const again = await ask(second, { ...message, id: 2 }, "message_sent");
    expect(again).toMatchObject({ messageId: "m-1", id: 2, offset: sent["offset"], epoch: sent["epoch"] });
    await ask(second, { type: "chat_message", roomSlug: "r", message: "next" }, "message_sent");
    const received = await collect(bob, "new_message", 2);
    expect(received.map((frame) => frame["offset"])).toEqual([1, 2]);
  });

  test("with another text under the same id is refused, with that id", async () => {
    node = await TestNode.start(NO_RATE);
    const ada = await node.member("ada", "r");
    const message = { type: "chat_message", roomSlug: "r", message: "yes", messageId: "m-1" };
    await ask(ada, message, "message_sent");
    const refused = await ask(ada, { ...message, message: "no" }, "error");
    expect(refused).toMatchObject({ code: "MESSAGE_ID_REUSED", messageId: "m-1", roomSlug: "r" });
  });
});
