import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { answer, inbox, typesOf } from "../support/inbox.ts";
import { TestNode, token } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";

/** Rooms and presence as their members see them. */

const LONG_GRACE = { PRESENCE_GRACE_MS: "60000" };

let node: TestNode;

beforeEach(async () => {
  node = await TestNode.start({ ...LONG_GRACE, PING_INTERVAL_MS: "200", PONG_TIMEOUT_MS: "60000" });
});

afterEach(() => node.stop());

const join = (peer: RawPeer, roomSlug = "r", id?: string | number): Promise<JsonObject> =>
  answer(peer, { type: "join_room", roomSlug, id });
const say = (peer: RawPeer, message: string) => peer.send({ type: "chat_message", roomSlug: "r", message });

describe("joining a room", () => {
  test("is answered with the room, its users and its position, and told to the others alone", async () => {
    const ada = await node.connect("ada", { username: "Ada" });
    expect(await join(ada, "general-chat", "j1")).toEqual({
      type: "room_joined",
      id: "j1",
      roomSlug: "general-chat",
      message: "Joined room general-chat",
      userCount: 1,
      offset: 0,
      epoch: expect.any(String),
      timestamp: expect.any(Number),
    });
    const bob = await node.connect("bob", { sub: 123, username: "johndoe" });
    expect(await join(bob, "general-chat")).toMatchObject({ type: "room_joined", userCount: 2 });
    expect(await inbox(ada, 1)).toEqual([
      {
        type: "user_joined",
        data: { userId: 123, username: "johndoe", roomSlug: "general-chat" },
        roomSlug: "general-chat",
        timestamp: expect.any(Number),
      },
    ]);
    expect(await inbox(bob)).toEqual([]);
  });

  test("a second time is answered again and announced to nobody", async () => {
    const ada = await node.member("ada", "r");
    const bob = await node.member("bob", "r");
    await inbox(ada, 1);
    expect(await join(bob)).toMatchObject({ type: "room_joined", userCount: 2 });
    expect(await inbox(ada)).toEqual([]);
    say(ada, "once");
    expect(typesOf(await inbox(bob, 1))).toEqual(["new_message"]);
  });

  test("gives the position at which live messages go on", async () => {
    const ada = await node.member("ada", "r");
    for (const text of ["a", "b", "c"]) say(ada, text);
    await inbox(ada, 6);
    const bob = await node.connect("bob");
    const joined = await join(bob);
    expect(joined).toMatchObject({ offset: 3 });
    say(ada, "d");
    expect(await bob.jsonOfType("new_message")).toMatchObject({ offset: 4, epoch: joined["epoch"] });
  });

  test.each([[""], ["a b"], ["ä"], ["x".repeat(196)], ["a\nb"], ["*"], [7], [null], [["r"]], [{ slug: "r" }]])(
    "named %p is an invalid message",
    async (roomSlug) => {
      const ada = await node.connect("ada");
      const error = await answer(ada, { type: "join_room", roomSlug, id: 1 });
      expect(error).toEqual({
        type: "error",
        code: "BAD_MESSAGE",
        message: "Invalid message format",
        id: 1,
        timestamp: expect.any(Number),
      });
    },
  );

  test.each(["constructor", "__proto__", "toString", "user:ada", "x".repeat(195)])(
    "named %s is a room like any other",
    async (slug) => {
      const ada = await node.connect("ada");
      expect(await join(ada, slug)).toMatchObject({ type: "room_joined", roomSlug: slug, userCount: 1 });
    },
  );

  test("over the limit of a connection is TOPIC_LIMIT, and possible again after leaving one", async () => {
    const own = await TestNode.start({ MAX_TOPICS_PER_CONNECTION: "2" });
    const ada = await own.connect("ada", { follows: ["a", "a", "b"] });
    expect(typesOf([await join(ada, "r1"), await join(ada, "r2")])).toEqual(["room_joined", "room_joined"]);
    expect(await join(ada, "r3")).toMatchObject({ type: "error", code: "TOPIC_LIMIT", roomSlug: "r3", limit: 2 });
    expect(await join(ada, "r2")).toMatchObject({ type: "room_joined" });
    await answer(ada, { type: "leave_room", roomSlug: "r1" });
    expect(await join(ada, "r3")).toMatchObject({ type: "room_joined" });
    await own.stop();
  });
});

describe("leaving a room", () => {
  test("is answered, told to the others, and ends the messages", async () => {
    const ada = await node.member("ada", "r");
    const bob = await node.member("bob", "r");
    await inbox(ada, 1);
    expect(await answer(bob, { type: "leave_room", roomSlug: "r", id: 5 })).toEqual({
      type: "room_left",
      id: 5,
      roomSlug: "r",
      timestamp: expect.any(Number),
    });
    expect(await inbox(ada, 1)).toEqual([
      {
        type: "user_left",
        data: { userId: "bob", username: "bob", roomSlug: "r" },
        roomSlug: "r",
        timestamp: expect.any(Number),
      },
    ]);
    say(ada, "gone?");
    await inbox(ada, 2);
    expect(await inbox(bob)).toEqual([]);
  });

  test("that was not joined is answered as if it had been, and nobody hears of it", async () => {
    const ada = await node.member("ada", "r");
    const bob = await node.connect("bob");
    expect(await answer(bob, { type: "leave_room", roomSlug: "r" })).toMatchObject({ type: "room_left" });
    expect(await inbox(ada)).toEqual([]);
  });

  test("leaves nothing of an empty room behind", async () => {
    const ada = await node.connect("ada");
    for (let room = 0; room < 50; room += 1) {
      await join(ada, `r${room}`);
      await answer(ada, { type: "leave_room", roomSlug: `r${room}` });
    }
    expect((await node.metrics()).get("tautline_topics")).toBe(0);
    expect((await node.metrics()).get("tautline_memberships")).toBe(0);
  });
});

describe("a user with three connections", () => {
  test("is one member: announced once, counted once, gone with the last", async () => {
    const bob = await node.member("bob", "r");
    const first = await node.member("ada", "r");
    const second = await node.member("ada", "r");
    const last = await node.member("ada", "r");
    expect(typesOf(await inbox(bob, 1))).toEqual(["user_joined"]);
    expect(await answer(bob, { type: "presence", roomSlug: "r" })).toMatchObject({
      type: "presence_state",
      roomSlug: "r",
      users: [
        { userId: "bob", username: "bob" },
        { userId: "ada", username: "ada" },
      ],
      userCount: 2,
    });
    await answer(first, { type: "leave_room", roomSlug: "r" });
    second.close(1000);
    await second.ended();
    expect(await inbox(bob)).toEqual([]);
    last.close(1000);
    expect(await bob.jsonOfType("user_left")).toMatchObject({ data: { userId: "ada" } });
    expect(await inbox(bob)).toEqual([]);
  });
});

describe("a member whose connection ends", () => {
  test.each([
    ["by its own close 1000", (peer: RawPeer) => peer.close(1000)],
    ["by its own close without a code", (peer: RawPeer) => peer.close(null)],
  ])("%s leaves at once", async (_how, end) => {
    const bob = await node.member("bob", "r");
    const ada = await node.member("ada", "r");
    end(ada);
    expect(await bob.jsonOfType("user_left")).toMatchObject({ data: { userId: "ada", roomSlug: "r" } });
  });

  test("because its token ended leaves at once", async () => {
    const own = await TestNode.start({ ...LONG_GRACE, PING_INTERVAL_MS: "200", CLOCK_TOLERANCE_S: "0" });
    const bob = await own.member("bob", "r");
    const ada = await own.connect("ada", { exp: Math.floor(Date.now() / 1_000) + 2 });
    ada.send({ type: "join_room", roomSlug: "r" });
    expect(await ada.closed()).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
    expect(await bob.jsonOfType("user_left")).toMatchObject({ data: { userId: "ada" } });
    await own.stop();
  });

  test.each([
    ["without a close frame", (peer: RawPeer) => peer.destroy()],
    ["by close 1001", (peer: RawPeer) => peer.close(1001)],
  ])("%s is held, and coming back makes no noise", async (_how, end) => {
    const bob = await node.member("bob", "r");
    const ada = await node.member("ada", "r");
    end(ada);
    await node.metricIs("tautline_connections", (count) => count === 1);
    const again = await node.connect("ada");
    expect(await join(again)).toMatchObject({ userCount: 2 });
    expect(typesOf(await inbox(bob, 1))).toEqual(["user_joined"]);
    again.close(1000);
    expect(await bob.jsonOfType("user_left")).toMatchObject({ data: { userId: "ada" } });
  });

  test("is gone when the grace period is over, and its empty room with it", async () => {
    const own = await TestNode.start({ PRESENCE_GRACE_MS: "100", PING_INTERVAL_MS: "200" });
    const bob = await own.member("bob", "r");
    const ada = await own.member("ada", "r");
    const alone = await own.member("carol", "lonely");
    ada.destroy();
    alone.destroy();
    expect(await bob.jsonOfType("user_left")).toMatchObject({ data: { userId: "ada" } });
    await own.metricIs("tautline_topics", (count) => count === 1);
    await own.stop();
  });
});

describe("presence", () => {
  test("is for members", async () => {
    await node.member("bob", "r");
    const ada = await node.connect("ada");
    expect(await answer(ada, { type: "presence", roomSlug: "r" })).toMatchObject({ code: "NOT_A_MEMBER" });
  });

  test("of a topic without presence is FORBIDDEN, for those who receive it too, and so is one that does not exist", async () => {
    const ada = await node.connect("ada", { follows: ["x"] });
    for (const topic of ["user:ada", "followers:x", "user:bob", "nope:x"]) {
      expect(await answer(ada, { type: "presence", topic })).toMatchObject({ code: "FORBIDDEN", topic });
      expect(await answer(ada, { type: "typing", topic, isTyping: true })).toMatchObject({ code: "FORBIDDEN", topic });
    }
  });
});

test("a token that follows somebody twice is in that topic once", async () => {
  await node.upgraded({ path: `/ws?token=${token({ sub: "ada", follows: ["x", "x"] })}` });
  await node.metricIs("tautline_memberships", (count) => count === 1);
});
