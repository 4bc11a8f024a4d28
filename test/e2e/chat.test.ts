import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { answer, inbox, typesOf } from "../support/inbox.ts";
import { TestNode } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";

/** Chat and typing as the members of a room see them. */

const NO_RATE = { MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000" };
/** What the sender of a chat message gets, in no fixed order. */
const BOTH = new Set(["message_sent", "new_message"]);

let node: TestNode;

beforeEach(async () => {
  node = await TestNode.start();
});

afterEach(() => node.stop());

const say = (peer: RawPeer, message: string, extra: object = {}) =>
  peer.send({ type: "chat_message", roomSlug: "r", message, ...extra });

describe("a chat message", () => {
  test("reaches every member, the sender included, and is acknowledged with the same position", async () => {
    const ada = await node.connect("ada", { sub: 123, username: "johndoe" });
    await answer(ada, { type: "join_room", roomSlug: "r" });
    const bob = await node.member("bob", "r");
    await inbox(ada, 1);
    say(ada, "Hello everyone!", { messageId: "msg_1", id: "c1" });
    const frames = await inbox(ada, 2);
    expect(new Set(typesOf(frames))).toEqual(BOTH);
    expect(frames).toHaveLength(2);
    const sent = frames.find((frame) => frame["type"] === "message_sent");
    expect(sent).toEqual({
      type: "message_sent",
      id: "c1",
      messageId: "msg_1",
      roomSlug: "r",
      offset: 1,
      epoch: expect.any(String),
      timestamp: expect.any(Number),
    });
    const [received] = await inbox(bob, 1);
    const createdAt = new Date(Number(received?.["timestamp"])).toISOString();
    expect(received).toEqual({
      type: "new_message",
      data: {
        id: 1,
        slug: "msg_1",
        chatRoomSlug: "r",
        userSlug: "123",
        username: "johndoe",
        messageType: "TEXT",
        message: "Hello everyone!",
        createdAt,
      },
      roomSlug: "r",
      offset: 1,
      epoch: sent?.["epoch"],
      timestamp: expect.any(Number),
    });
    expect(frames).toContainEqual(received ?? {});
  });

  test("without an id gets one that is the server's own", async () => {
    const ada = await node.member("ada", "r");
    say(ada, "hi");
    const frames = await inbox(ada, 2);
    const sent = frames.find((frame) => frame["type"] === "message_sent");
    expect(sent?.["messageId"]).toMatch(/^srv_[A-Za-z0-9_-]{22}$/);
    expect(frames).toContainEqual(
      expect.objectContaining({ data: expect.objectContaining({ slug: sent?.["messageId"] }) }),
    );
  });

  test("from someone who is not a member is refused with its ids and reaches nobody", async () => {
    const bob = await node.member("bob", "r");
    const ada = await node.connect("ada");
    say(ada, "hi", { messageId: "m", id: 9 });
    expect(await inbox(ada)).toEqual([
      {
        type: "error",
        code: "NOT_A_MEMBER",
        message: "Not a member",
        id: 9,
        messageId: "m",
        roomSlug: "r",
        timestamp: expect.any(Number),
      },
    ]);
    expect(await inbox(bob)).toEqual([]);
  });

  test("takes 4,096 units and not one more", async () => {
    const ada = await node.member("ada", "r");
    say(ada, "é".repeat(4_096));
    expect(new Set(typesOf(await inbox(ada, 2)))).toEqual(BOTH);
    say(ada, "é".repeat(4_097), { messageId: "long" });
    const [error] = await inbox(ada);
    expect(error).toMatchObject({ code: "MESSAGE_TOO_LARGE", limit: 4_096, actual: 4_097, messageId: "long" });
  });

  test("loses its control characters but tab and newline, and is counted without them", async () => {
    const ada = await node.member("ada", "r");
    say(ada, `a\u0000b\u001b[31m\tc\nd\r\u0007${"\u0001".repeat(4_096)}`);
    const frames = await inbox(ada, 2);
    expect(frames).toContainEqual(
      expect.objectContaining({ data: expect.objectContaining({ message: "ab[31m\tc\nd" }) }),
    );
  });

  test.each([
    ["empty", ""],
    ["nothing but control characters", "\u0000\u0001"],
    ["no text", 1],
  ])("that is %s is invalid", async (_what, message) => {
    const ada = await node.member("ada", "r");
    const error = await answer(ada, { type: "chat_message", roomSlug: "r", message, messageId: "m1" });
    expect(error).toMatchObject({ type: "error", code: "BAD_MESSAGE", messageId: "m1", roomSlug: "r" });
  });

  test.each(["", "m".repeat(65), 1, null])("with the messageId %p is invalid", async (messageId) => {
    const ada = await node.member("ada", "r");
    const error = await answer(ada, { type: "chat_message", roomSlug: "r", message: "hi", messageId });
    expect(error).toMatchObject({ code: "BAD_MESSAGE" });
    expect(error).not.toHaveProperty("messageId");
  });

  test("cannot forge its sender, position or time", async () => {
    const ada = await node.member("ada", "r");
    const forged = { from: "root", userSlug: "root", username: "root", offset: 99, epoch: "x", timestamp: 1, data: {} };
    say(ada, "hi", forged);
    const received = (await inbox(ada, 2)).find((frame) => frame["type"] === "new_message");
    expect(received).toMatchObject({ offset: 1, data: { userSlug: "ada", username: "ada" } });
    expect(received).not.toHaveProperty("from");
    expect(received?.["timestamp"]).toBeGreaterThan(1);
  });

  test("of 1,000 from several senders stands at the same place for every member, without a gap", async () => {
    const own = await TestNode.start(NO_RATE);
    const members = [await own.member("a", "r"), await own.member("b", "r"), await own.member("c", "r")];
    const quiet = await own.member("d", "r");
    for (let round = 0; round < 334; round += 1) {
      for (const member of members) say(member, `${round}`);
    }
    const orders: string[] = [];
    for (const member of [...members, quiet]) {
      const order: string[] = [];
      for (let expected = 1; expected <= 1_002; expected += 1) {
        const frame = await member.jsonOfType("new_message");
        expect(frame["offset"]).toBe(expected);
        order.push(JSON.stringify(frame["data"]));
      }
      orders.push(order.join());
    }
    expect(new Set(orders).size).toBe(1);
    await own.stop();
  });

  test("with a frame id of another type than text or integer is invalid and the id is not repeated", async () => {
    const ada = await node.member("ada", "r");
    for (const id of [1.5, true, {}, "x".repeat(65), null]) {
      const error = await answer(ada, { type: "chat_message", roomSlug: "r", message: "hi", id });
      expect(error).toMatchObject({ type: "error", code: "BAD_MESSAGE" });
      expect(error).not.toHaveProperty("id");
    }
  });
});

describe("typing", () => {
  test("goes to all connections but the sending one, the user's others included", async () => {
    const ada = await node.member("ada", "r");
    const other = await node.member("ada", "r");
    const bob = await node.member("bob", "r");
    await Promise.all([inbox(ada, 1), inbox(other, 1)]);
    ada.send({ type: "typing", roomSlug: "r", isTyping: true });
    expect(await inbox(ada)).toEqual([]);
    const expected = {
      type: "typing",
      roomSlug: "r",
      userId: "ada",
      username: "ada",
      isTyping: true,
      timestamp: expect.any(Number),
    };
    expect(await inbox(bob, 1)).toEqual([expected]);
    expect(await inbox(other, 1)).toEqual([expected]);
  });

  test("true goes out once a second, false after a true always, and never without one", async () => {
    const ada = await node.member("ada", "r");
    const bob = await node.member("bob", "r");
    for (const isTyping of [false, true, true, true, false, false])
      ada.send({ type: "typing", roomSlug: "r", isTyping });
    await inbox(ada);
    expect((await inbox(bob, 2)).map((frame) => frame["isTyping"])).toEqual([true, false]);
  });

  test("of someone who is not a member is refused", async () => {
    const ada = await node.connect("ada");
    const error = await answer(ada, { type: "typing", roomSlug: "r", isTyping: true, id: "t" });
    expect(error).toMatchObject({ code: "NOT_A_MEMBER", id: "t", roomSlug: "r" });
  });

  test("about two places, or none, is invalid", async () => {
    const ada = await node.member("ada", "r");
    for (const place of [{}, { roomSlug: "r", topic: "room:r" }]) {
      expect(await answer(ada, { type: "typing", isTyping: true, ...place })).toMatchObject({ code: "BAD_MESSAGE" });
    }
  });
});

test("a frame of an unknown type is told so, with its id", async () => {
  const ada = await node.connect("ada");
  for (const type of ["nope", "constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", ""]) {
    expect(await answer(ada, { type, id: "u" })).toEqual({
      type: "error",
      code: "UNKNOWN_TYPE",
      message: "Unknown message type",
      id: "u",
      timestamp: expect.any(Number),
    });
  }
});
