import { describe, expect, test } from "bun:test";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import type { GrantedAction, Principal } from "../../src/protocol/principal.ts";
import { HubRig, passing } from "../support/hub.ts";
import { principal } from "../support/principal.ts";
import { publishEvent } from "../../src/hub/publishing.ts";
import { recheck } from "../../src/hub/recheck.ts";

/** Who may be in which topic, and what comes of it. Users have the id `7` unless a test says otherwise. */

type Member = ReturnType<HubRig["connect"]>;

const granted = (...actions: GrantedAction[]) => new Map([["conversation:42", actions]]);

const WHO: Readonly<Record<string, Partial<Principal>>> = {
  guest: { roles: ["guest"] },
  user: { roles: ["user"] },
  moderator: { roles: ["moderator"] },
  admin: { roles: ["admin"] },
  reader: { roles: ["user"], topics: granted("read") },
  writer: { roles: ["user"], topics: granted("read", "write") },
  onlooker: { roles: ["user"], topics: granted("presence") },
  "granted guest": { roles: ["guest"], topics: granted("read", "write") },
  follower: { roles: ["user"], follows: ["9"] },
};

/** The rules alone decide. */
const alone = (): HubRig => new HubRig({}, undefined, {}, { authorizer: null });

const NOTE = { topic: "user:7", event: "note", messageId: undefined, from: null };

/** A code, or the type of the answer. */
function outcome(answer: Readonly<Record<string, unknown>>): unknown {
  return answer["type"] === "error" ? answer["code"] : answer["type"];
}

function someone(rig: HubRig, who: string): Member {
  return rig.connect("7", undefined, WHO[who] ?? {});
}

describe("by default", () => {
  // subscribe, publish, presence and history, each of a connection that is in no topic.
  const YES = ["subscribed", "published", "presence_state", "history"] as const;
  const [join, , see, past] = YES;
  const NO = "FORBIDDEN";
  const OUT = "NOT_A_MEMBER";
  const rows: [string, string, string[]][] = [
    ["guest", "room:a", [join, OUT, OUT, OUT]],
    ["user", "room:a", [join, OUT, OUT, OUT]],
    ["admin", "room:a", [join, OUT, OUT, OUT]],
    ["guest", "conversation:42", [NO, NO, NO, NO]],
    ["user", "conversation:42", [NO, NO, NO, NO]],
    ["admin", "conversation:42", [NO, NO, NO, NO]],
    ["reader", "conversation:42", [join, NO, see, past]],
    ["writer", "conversation:42", [...YES]],
    ["writer", "conversation:43", [NO, NO, NO, NO]],
    ["onlooker", "conversation:42", [NO, NO, see, NO]],
    ["granted guest", "conversation:42", [NO, NO, NO, NO]],
    ["user", "user:7", [join, NO, NO, past]],
    ["user", "user:8", [NO, NO, NO, NO]],
    ["admin", "user:8", [NO, NO, NO, NO]],
    ["guest", "followers:9", [join, NO, NO, past]],
    ["follower", "followers:9", [join, NO, NO, past]],
    ["guest", "wallet:7", [NO, NO, NO, NO]],
    ["user", "wallet:7", [join, NO, NO, past]],
    ["user", "wallet:8", [NO, NO, NO, NO]],
    ["moderator", "wallet:7", [NO, NO, NO, NO]],
    ["admin", "wallet:7", [join, NO, NO, past]],
    ["guest", "system:status", [join, NO, NO, NO]],
    ["user", "system:load", [NO, NO, NO, NO]],
    ["moderator", "system:load", [join, NO, NO, NO]],
    ["admin", "system:load", [join, NO, NO, NO]],
    ["admin", "secret:a", [NO, NO, NO, NO]],
    ["admin", "constructor:a", [NO, NO, NO, NO]],
  ];
  const frames = [
    { type: "subscribe" },
    { type: "publish", event: "noted" },
    { type: "presence" },
    { type: "history" },
  ];

  test.each(rows)("%s on %s", (who, topic, expected) => {
    const outcomes = frames.map((frame) => {
      const rig = alone();
      return outcome(rig.answer(someone(rig, who), { ...frame, topic }));
    });
    expect(outcomes).toEqual(expected);
  });

  test("a presence grant without the permission to read shows who is there, and no more", () => {
    const rig = alone();
    const onlooker = someone(rig, "onlooker");
    expect(rig.answer(onlooker, { type: "typing", topic: "conversation:42", isTyping: true })).toMatchObject({
      code: "FORBIDDEN",
    });
    expect(rig.answer(onlooker, { type: "presence", topic: "conversation:42" })).toMatchObject({
      users: [],
      userCount: 0,
    });
    expect(rig.hub.rooms.size).toBe(0);
  });

  test("refusals are in the audit log with their topic", () => {
    const rig = new HubRig();
    const user = someone(rig, "user");
    for (const frame of frames) rig.answer(user, { ...frame, topic: "user:8" });
    expect(rig.audit.filter(({ event }) => event === "access.denied")).toEqual(
      frames.map(() => expect.objectContaining({ userId: "7", code: "FORBIDDEN", about: { topic: "user:8" } })),
    );
  });
});

describe("an error", () => {
  test("says the same of a topic that is forbidden, that does not exist, and of an unknown namespace", () => {
    const topics = ["user:8", "conversation:4", "conversation:99999", "wallet:8", "system:load", "secret:a", "x:y"];
    const frames = [
      { type: "subscribe" },
      { type: "publish", event: "noted" },
      { type: "presence" },
      { type: "history" },
      { type: "typing", isTyping: true },
    ];
    for (const frame of frames) {
      const texts = topics.map((topic) => {
        const rig = alone();
        const user = someone(rig, "user");
        // Somebody else is in one of them, and it has a history.
        rig.hub.rooms.join(rig.connect("8").connection, rig.hub.rooms.open("conversation:4"));
        void rig.hub.publish("conversation:4", { kind: "event", json: '{"type":"noted"' }, null);
        return JSON.stringify(rig.answer(user, { ...frame, topic, id: 1 })).replace(topic, "TOPIC");
      });
      expect(new Set(texts).size).toBe(1);
      expect(texts[0]).toContain("FORBIDDEN");
    }
  });

  test("does not tell by NOT_A_MEMBER that there is a namespace whose topics one could not join", () => {
    const closed = { read: { permission: "staff", and: "nothing" }, write: "members", presence: "members" } as const;
    const access = compileAccess({
      ...DEFAULT_ACCESS,
      namespaces: { ...DEFAULT_ACCESS.namespaces, staff: { ...closed, history: "members" } },
    });
    const rig = new HubRig({}, undefined, {}, { access });
    const frames = [
      { type: "publish", event: "noted" },
      { type: "presence" },
      { type: "history" },
      { type: "typing", isTyping: true },
    ];
    for (const frame of frames) {
      expect(rig.answer(rig.connect("7"), { ...frame, topic: "staff:a" })).toMatchObject({ code: "FORBIDDEN" });
      const member = rig.connect("7", undefined, { permissions: ["staff"] });
      expect(rig.answer(member, { ...frame, topic: "staff:a" })).toMatchObject({ code: "NOT_A_MEMBER" });
    }
  });

  const malformed = [
    ...["room", "room:", ":a", "Room:a", "room:a b", "room:a\n", "room:ä", "room:*", "room:{a}", "$internal:a"],
    ...["__revocations:a", "room:a\0", "room:a\r\nb", "", `room:${"x".repeat(196)}`, "x".repeat(1_000_000)],
    ...[`${"n".repeat(33)}:a`, "1room:a", "-room:a"],
    ...[7, null, ["room:a"], { topic: "room:a" }, true],
  ];
  test.each(malformed.map((topic) => [topic]))(
    "BAD_MESSAGE is all that a name of the wrong form gets (%#)",
    (topic) => {
      for (const type of ["subscribe", "unsubscribe", "history", "presence"]) {
        const rig = new HubRig({ messageBurst: 1_000 });
        const answer = rig.answer(rig.connect("7"), { type, topic, id: 1 });
        expect(answer).toEqual({
          type: "error",
          code: "BAD_MESSAGE",
          message: "Invalid message format",
          id: 1,
          timestamp: expect.any(Number),
        });
      }
    },
  );
});

describe("subscribing", () => {
  test("to a room is the same membership as joining it, and its frames name the room by its slug", () => {
    const rig = new HubRig();
    const [ada, bob] = [rig.connect("ada"), rig.member("bob", "x")];
    expect(rig.answer(ada, { type: "subscribe", topic: "room:x", id: "s" })).toEqual({
      type: "subscribed",
      id: "s",
      roomSlug: "x",
      userCount: 2,
      offset: 0,
      epoch: expect.any(String),
      timestamp: expect.any(Number),
    });
    expect(bob.socket.take()).toMatchObject([
      { type: "user_joined", roomSlug: "x", data: { userId: "ada", roomSlug: "x" } },
    ]);
    expect(rig.answer(ada, { type: "join_room", roomSlug: "x" })).toMatchObject({ type: "room_joined", userCount: 2 });
    expect(bob.socket.take()).toEqual([]);
    expect(ada.connection.rooms).toHaveLength(1);
    rig.receive(ada.connection, { type: "chat_message", roomSlug: "x", message: "hi" });
    expect(bob.socket.take()).toMatchObject([{ type: "new_message", roomSlug: "x" }]);
    expect(rig.answer(ada, { type: "unsubscribe", topic: "room:x" })).toMatchObject({
      ...{ type: "unsubscribed", roomSlug: "x", code: "OK", reason: "OK" },
    });
    expect(bob.socket.take()).toMatchObject([{ type: "user_left", roomSlug: "x" }]);
    expect(rig.answer(ada, { type: "chat_message", roomSlug: "x", message: "hi" })).toMatchObject({
      code: "NOT_A_MEMBER",
    });
  });

  test("to a conversation announces its users with the topic in both places", () => {
    const rig = new HubRig();
    const topics = new Map([["conversation:42", ["read", "write", "presence"] as const]]);
    const [ada, bob] = ["ada", "bob"].map((id) => rig.connect(id, undefined, { topics }));
    if (ada === undefined || bob === undefined) throw new Error("nobody");
    rig.answer(ada, { type: "subscribe", topic: "conversation:42" });
    expect(rig.answer(bob, { type: "subscribe", topic: "conversation:42" })).toMatchObject({
      ...{ type: "subscribed", topic: "conversation:42", userCount: 2 },
    });
    const about = { userId: "bob", username: "bob", topic: "conversation:42" };
    expect(ada.socket.take()).toEqual([
      { type: "user_joined", data: about, topic: "conversation:42", timestamp: expect.any(Number) },
    ]);
    rig.receive(ada.connection, { type: "typing", topic: "conversation:42", isTyping: true });
    expect(bob.socket.take()).toMatchObject([{ type: "typing", topic: "conversation:42", userId: "ada" }]);
    rig.receive(bob.connection, { type: "unsubscribe", topic: "conversation:42" });
    expect(ada.socket.take()).toEqual([
      { type: "user_left", data: about, topic: "conversation:42", timestamp: expect.any(Number) },
    ]);
  });

  test.each([
    [42, "conversation:42"],
    ["42", "conversation:42"],
    ["a:b/c", "conversation:a:b/c"],
    [-1, "conversation:-1"],
  ])("to the conversation %p says its id as it was asked for, and its topic", (conversation_id, topic) => {
    const rig = new HubRig();
    const member = rig.connect("7", undefined, { topics: new Map([[topic, ["read"] as const]]) });
    expect(rig.answer(member, { type: "subscribe_conversation", conversation_id, id: 1 })).toEqual({
      ...{ type: "subscribed", id: 1, topic, conversation_id, userCount: 1 },
      ...{ offset: 0, epoch: expect.any(String), timestamp: expect.any(Number) },
    });
    expect(rig.answer(rig.connect("8"), { type: "subscribe_conversation", conversation_id })).toMatchObject({
      ...{ code: "FORBIDDEN", topic },
    });
  });

  test.each([["a b"], [""], [1.5], [2 ** 53], [null], [["42"]], ["x".repeat(129)]])(
    "to the conversation %p is BAD_MESSAGE",
    (conversation_id) => {
      const rig = new HubRig();
      const answer = rig.answer(rig.connect("7"), { type: "subscribe_conversation", conversation_id });
      expect(answer).toMatchObject({ code: "BAD_MESSAGE" });
      expect(answer).not.toHaveProperty("topic");
    },
  );

  test("to the user's own topic is answered, with what was missed, and its messages come once", () => {
    const rig = new HubRig();
    const ada = rig.connect("7");
    const publish = (data: string) => publishEvent(rig.hub, { ...NOTE, data });
    const { epoch } = rig.answer(ada, { type: "subscribe", topic: "user:7" });
    void publish("a");
    void publish("b");
    expect(ada.socket.take().map(({ offset }) => offset)).toEqual([1, 2]);
    expect(rig.answer(ada, { type: "subscribe", topic: "user:7", recover: { offset: 1, epoch } })).toMatchObject({
      type: "subscribed",
      topic: "user:7",
      recovered: true,
      messages: [{ data: "b", offset: 2 }],
    });
    expect(rig.answer(ada, { type: "unsubscribe", topic: "user:7" })).toMatchObject({ type: "unsubscribed" });
    void publish("c");
    expect(ada.socket.take()).toMatchObject([{ data: "c", offset: 3 }]);
    expect([rig.hub.rooms.size, rig.hub.rooms.memberships]).toEqual([0, 0]);
  });

  test("to the user's own topic brings a recovery of several parts before anything new", async () => {
    const rig = new HubRig({}, undefined, { historyBytes: 1_000_000, maxHistoryBytes: 2_000_000 });
    const ada = rig.connect("7");
    const { epoch } = rig.answer(ada, { type: "subscribe", topic: "user:7" });
    const publish = () => publishEvent(rig.hub, { ...NOTE, data: "x".repeat(16_000) });
    for (let count = 0; count < 40; count += 1) void publish();
    ada.socket.take();
    rig.receive(ada.connection, { type: "subscribe", topic: "user:7", recover: { offset: 0, epoch } });
    void publish();
    await rig.settle();
    void publish();
    const frames = ada.socket.take();
    expect(frames.map(({ type, more }) => [type, more])).toEqual([
      ["subscribed", undefined],
      ["recovered", true],
      ["recovered", false],
      ["note", undefined],
      ["note", undefined],
    ]);
    expect(frames.slice(-2).map(({ offset }) => offset)).toEqual([41, 42]);
    const offsets = frames.flatMap(({ messages }) => (Array.isArray(messages) ? messages : []));
    expect(offsets.map((message: { offset: number }) => message.offset)).toEqual(
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
  });

  test("counts towards one limit for rooms, conversations and all other topics, and automatic ones do not count", () => {
    const rig = new HubRig({ maxTopicsPerConnection: 3 });
    const topics = new Map([["conversation:*", ["read"] as const]]);
    const ada = rig.connect("7", undefined, { topics, follows: ["a", "b"] });
    expect(rig.answer(ada, { type: "join_room", roomSlug: "r" })).toMatchObject({ type: "room_joined" });
    expect(rig.answer(ada, { type: "subscribe_conversation", conversation_id: 1 })).toMatchObject({ userCount: 1 });
    expect(rig.answer(ada, { type: "subscribe", topic: "wallet:7" })).toMatchObject({ type: "subscribed" });
    const over = { code: "TOPIC_LIMIT", limit: 3 };
    expect(rig.answer(ada, { type: "join_room", roomSlug: "s" })).toMatchObject(over);
    expect(rig.answer(ada, { type: "subscribe_conversation", conversation_id: 2 })).toMatchObject(over);
    expect(rig.answer(ada, { type: "subscribe", topic: "followers:c" })).toMatchObject(over);
    for (const topic of ["user:7", "followers:a", "wallet:7"]) {
      expect(rig.answer(ada, { type: "subscribe", topic })).toMatchObject({ type: "subscribed" });
    }
    // Leaving an automatic topic makes no room for another one.
    rig.answer(ada, { type: "unsubscribe", topic: "followers:a" });
    expect(rig.answer(ada, { type: "subscribe", topic: "followers:c" })).toMatchObject(over);
    rig.answer(ada, { type: "leave_room", roomSlug: "r" });
    expect(rig.answer(ada, { type: "subscribe", topic: "followers:c" })).toMatchObject({ type: "subscribed" });
  });

  test("is paid for like a join, unsubscribing is free", () => {
    const rig = new HubRig({ joinsPerSecond: 1, joinBurst: 3 });
    const ada = rig.connect("7");
    for (const topic of ["room:a", "user:8", "room:b"]) rig.answer(ada, { type: "subscribe", topic });
    expect(rig.answer(ada, { type: "subscribe", topic: "room:c" })).toMatchObject({
      ...{ code: "RATE_LIMITED", topic: "room:c", retryAfterMs: 1_000 },
    });
    expect(rig.answer(ada, { type: "subscribe_conversation", conversation_id: 1 })).toMatchObject({
      code: "RATE_LIMITED",
    });
    for (let count = 0; count < 50; count += 1) {
      expect(rig.answer(ada, { type: "unsubscribe", topic: "room:a" })).toMatchObject({ type: "unsubscribed" });
    }
  });

  test("and leaving over and over leaves nothing behind", () => {
    const rig = new HubRig({ joinsPerSecond: 1_000_000, joinBurst: 1_000_000, presenceGraceMs: 0 });
    const topics = new Map([["conversation:*", ["read"] as const]]);
    const ada = rig.connect("7", msgpackCodec, { topics });
    for (let name = 0; name < 5_000; name += 1) {
      for (const topic of [`room:${name}`, `conversation:${name}`, `followers:${name}`]) {
        rig.receive(ada.connection, { type: "subscribe", topic });
        rig.receive(ada.connection, { type: "unsubscribe", topic });
      }
    }
    ada.socket.take();
    expect([rig.hub.rooms.size, rig.hub.rooms.memberships, rig.topicsWithMembers]).toEqual([0, 0, []]);
  });
});

describe("a lost permission", () => {
  test("is lost for the history too: a recovery is decided by what may be read now", () => {
    const rig = new HubRig();
    const topic = "conversation:42";
    const ada = rig.connect("7", undefined, { topics: granted("read", "write") });
    const { epoch } = rig.answer(ada, { type: "subscribe", topic });
    rig.answer(ada, { type: "publish", topic, event: "noted" });
    void recheck(rig.hub, ada.connection, principal({ id: "7" }), "FORBIDDEN");
    const recover = { offset: 0, epoch };
    expect(rig.answer(ada, { type: "subscribe", topic, recover })).toMatchObject({ code: "FORBIDDEN" });
    expect(rig.answer(ada, { type: "history", topic, since: recover })).toMatchObject({ code: "FORBIDDEN" });
    const later = rig.connect("7");
    expect(rig.answer(later, { type: "subscribe_conversation", conversation_id: 42, recover })).toMatchObject({
      code: "FORBIDDEN",
    });
  });

  test("is checked at every request, not when the connection was made", () => {
    const rig = new HubRig();
    const topic = "conversation:42";
    const ada = rig.connect("7", undefined, { topics: granted("read", "write") });
    const publish = { type: "publish", topic, event: "noted" };
    expect(rig.answer(ada, publish)).toMatchObject({ type: "published" });
    void recheck(rig.hub, ada.connection, principal({ id: "7", topics: granted("read") }), "FORBIDDEN");
    expect(rig.answer(ada, publish)).toMatchObject({ code: "FORBIDDEN" });
    expect(rig.answer(ada, { type: "subscribe", topic })).toMatchObject({ type: "subscribed" });
  });
});

test("a broker that answers later changes none of this", async () => {
  const rig = new HubRig({}, (broker) => ({
    ...passing(broker),
    enter: async (entrances, use) => broker.enter(entrances, use),
    history: async (topic, since, limit) => broker.history(topic, since, limit),
  }));
  const ada = rig.connect("7", undefined, { topics: granted("read") });
  await rig.settle();
  ada.socket.take();
  for (const topic of ["conversation:42", "user:7", "room:a", "user:8"]) {
    rig.receive(ada.connection, { type: "subscribe", topic });
  }
  await rig.settle();
  expect(ada.socket.take().map(outcome)).toEqual(["subscribed", "subscribed", "subscribed", "FORBIDDEN"]);
  expect(ada.connection.rooms.map(({ topic }) => topic)).toEqual(["conversation:42", "room:a"]);
});

describe("in one topic", () => {
  const topic = "conversation:42";

  test("a user with three connections is there until the last of them has left, and leaves once", () => {
    const rig = new HubRig({ presenceGraceMs: 0 });
    const witness = rig.connect("8", undefined, { topics: granted("read") });
    rig.answer(witness, { type: "subscribe", topic });
    const three = [1, 2, 3].map(() => rig.connect("7", undefined, { topics: granted("read") }));
    for (const one of three) expect(rig.answer(one, { type: "subscribe", topic })).toMatchObject({ userCount: 2 });
    expect(witness.socket.take().map(({ type }) => type)).toEqual(["user_joined"]);
    const [first, second, third] = three;
    if (first === undefined || second === undefined || third === undefined) throw new Error("not three");
    rig.receive(first.connection, { type: "unsubscribe", topic });
    second.socket.end(1006);
    expect(rig.answer(witness, { type: "presence", topic })).toMatchObject({ userCount: 2 });
    third.socket.end(1000);
    expect(witness.socket.take()).toMatchObject([{ type: "user_left", topic, data: { userId: "7" } }]);
    expect(rig.answer(witness, { type: "presence", topic })).toMatchObject({ userCount: 1 });
  });

  test("a room that is named like another kind of topic gets nothing of that one", () => {
    const rig = new HubRig();
    const spy = rig.member("7", "user:8");
    rig.answer(spy, { type: "join_room", roomSlug: "conversation:42" });
    const names = ["user:8", topic, "wallet:8", "system:status"];
    for (const name of names) void rig.hub.publish(name, { kind: "event", json: '{"type":"noted"' }, null);
    expect(spy.socket.take().filter(({ type }) => type === "noted")).toEqual([]);
    for (const name of names) {
      expect(rig.answer(spy, { type: "publish", roomSlug: name, event: "noted" })).toMatchObject(
        name === "user:8" || name === topic ? { type: "published", roomSlug: name } : { code: "NOT_A_MEMBER" },
      );
    }
  });
});
