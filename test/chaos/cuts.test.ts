import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import { type JsonObject, RawPeer } from "../support/peer.ts";
import { listed, textOf } from "../support/room-history.ts";
import { FaultProxy } from "./fault-proxy.ts";

/** Connections that end at any byte, and what their clients make of it: every message once, whatever was cut through. */

const NO_RATE = {
  MESSAGES_PER_SECOND: "100000",
  MESSAGE_BURST: "100000",
  HANDSHAKES_PER_SECOND: "100000",
  HANDSHAKE_BURST: "100000",
  JOINS_PER_SECOND: "100000",
  JOIN_BURST: "100000",
  MAX_CONNECTIONS_PER_USER: "1000",
  MAX_TOPICS_PER_CONNECTION: "1000",
};

let node: TestNode;
let proxy: FaultProxy;

beforeAll(async () => {
  node = await TestNode.start(NO_RATE);
  proxy = await FaultProxy.start({ to: { port: node.port } });
});

afterAll(async () => {
  await proxy.stop();
  await node.stop();
});

async function ask(peer: RawPeer, frame: object, type: string): Promise<JsonObject> {
  peer.send(frame);
  return peer.jsonOfType(type);
}

/** Null when the connection ends first. */
function unlessCut<T>(peer: RawPeer, answer: Promise<T>): Promise<T | null> {
  return answer.catch((error: unknown) => {
    if (peer.isEnded) return null;
    throw error;
  });
}

const pathOf = (userId: string): string => `/ws?token=${token({ sub: userId, username: userId })}`;

const chat = (roomSlug: string, message: string, messageId: string): object => ({
  type: "chat_message",
  ...{ roomSlug, message, messageId },
});

const offsetOf = (message: unknown): unknown => Object(message)["offset"];

/** What a client that follows a room has got, over all of its connections. */
class Follower {
  readonly messages: unknown[] = [];
  readonly #roomSlug: string;
  readonly #epoch: string;

  constructor(roomSlug: string, epoch: string) {
    this.#roomSlug = roomSlug;
    this.#epoch = epoch;
  }

  /** Upgrades and goes on where it was; false when it is cut off before it knows that it has joined. */
  async join(peer: RawPeer): Promise<boolean> {
    const answer = await unlessCut(peer, peer.request(upgradeRequest({ path: pathOf("bob") })));
    if (answer?.status !== 101) return false;
    const recover = { offset: offsetOf(this.messages.at(-1)) ?? 0, epoch: this.#epoch };
    peer.send({ type: "join_room", roomSlug: this.#roomSlug, recover });
    const joined = await unlessCut(peer, peer.jsonOfType("room_joined"));
    if (joined === null) return false;
    expect(joined).toMatchObject({ recovered: true });
    this.messages.push(...listed(joined));
    return true;
  }

  /** Reads until it has that many messages, or the connection ends. */
  async read(peer: RawPeer, count: number): Promise<void> {
    while (this.messages.length < count) {
      const message = await unlessCut(peer, peer.jsonOfType("new_message"));
      if (message === null) return;
      this.messages.push(message);
    }
  }
}

describe("a follower whose connection is cut", () => {
  const [MISSED, LIVE] = [3, 4];
  const ALL = Array.from({ length: MISSED + LIVE }, (_, index) => index + 1);

  /** Recovers what it missed, then reads what is said live. The bytes that came to it over the connection with the fault. */
  async function follow(roomSlug: string, cutAfterBytes: number): Promise<number> {
    const before = proxy.passedBytes("toClient");
    const ada = await node.member("ada", roomSlug);
    const say = (n: number): Promise<JsonObject> => ask(ada, chat(roomSlug, `m-${n}`, `m-${n}`), "message_sent");
    for (const n of ALL.slice(0, MISSED)) await say(n);
    const { epoch } = await ask(ada, { type: "history", roomSlug }, "history");
    const bob = new Follower(roomSlug, String(epoch));

    proxy.cutAfter(cutAfterBytes, "toClient");
    const cut = await RawPeer.connect(proxy.port);
    const hasJoined = await bob.join(cut);
    for (const n of ALL.slice(MISSED)) await say(n);
    if (hasJoined) await bob.read(cut, ALL.length);
    proxy.heal();

    const again = await RawPeer.connect(node.port);
    expect(await bob.join(again)).toBe(true);
    await bob.read(again, ALL.length);
    expect(bob.messages.map(offsetOf)).toEqual(ALL);
    expect(bob.messages.map(textOf)).toEqual(ALL.map((n) => `m-${n}`));
    for (const peer of [ada, cut, again]) peer.destroy();
    return proxy.passedBytes("toClient") - before;
  }

  test("anywhere in what the node sends gets every message once and in order, recovered or live", async () => {
    const length = await follow("cut-never", Number.MAX_SAFE_INTEGER);
    const STEPS = 400;
    for (let step = 0; step < STEPS; step += 1) {
      const at = Math.floor((step / STEPS) * length);
      expect(await follow(`cut-${at}`.padEnd(9, "-"), at)).toBe(at);
    }
  });
});

describe("a publisher whose connection is cut", () => {
  /** Sends a message through the fault, then again over a connection without one. */
  async function sendTwice(roomSlug: string, id: string, fault: () => void): Promise<JsonObject> {
    const cut = await RawPeer.open(proxy.port, { path: pathOf("ada") });
    await ask(cut, { type: "join_room", roomSlug }, "room_joined");
    fault();
    cut.send(chat(roomSlug, id, id));
    await cut.ended();
    proxy.heal();
    const again = await node.member("ada", roomSlug);
    const sent = await ask(again, chat(roomSlug, id, id), "message_sent");
    again.destroy();
    return sent;
  }

  /** The next messages that a member got that was never cut off. */
  async function messages(member: RawPeer, count: number): Promise<JsonObject[]> {
    const taken: JsonObject[] = [];
    while (taken.length < count) taken.push(await member.jsonOfType("new_message"));
    return taken;
  }

  test("anywhere in its frame sends it again under the same id: it reaches the room once", async () => {
    const carol = await node.member("carol", "frames");
    const { length } = encodeFrame({ opcode: OPCODE.text, payload: JSON.stringify(chat("frames", "m-100", "m-100")) });
    for (let bytes = 0; bytes <= length; bytes += 1) {
      const id = `m-${100 + bytes}`;
      const { offset } = await sendTwice("frames", id, () => proxy.cutAfter(bytes, "toServer"));
      expect(offset).toBe(bytes + 1);
    }
    const received = await messages(carol, length + 1);
    expect(received.map(offsetOf)).toEqual(received.map((_, index) => index + 1));
  });

  test("anywhere in the answer, or in front of it, is given the offset that its message had the first time", async () => {
    const carol = await node.member("carol", "answers");
    const whole = await RawPeer.open(proxy.port, { path: pathOf("ada") });
    await ask(whole, { type: "join_room", roomSlug: "answers" }, "room_joined");
    const joinedAt = proxy.passedBytes("toClient");
    await ask(whole, chat("answers", "m-1000", "m-1000"), "message_sent");
    const length = proxy.passedBytes("toClient") - joinedAt;
    await messages(carol, 1);
    whole.destroy();
    for (let bytes = 0; bytes < length; bytes += 1) {
      const fault = (): void => (bytes === 0 ? proxy.dropReplies() : proxy.cutAfter(bytes, "toClient"));
      const sent = await sendTwice("answers", `m-${1_001 + bytes}`, fault);
      const [received] = await messages(carol, 1);
      expect([offsetOf(received), textOf(received)]).toEqual([sent["offset"], sent["messageId"]]);
      expect(sent["offset"]).toBe(bytes + 2);
    }
  });
});
