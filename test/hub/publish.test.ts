import { describe, expect, test } from "bun:test";
import { isEventName } from "../../src/protocol/event-name.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import type { GrantedAction } from "../../src/protocol/principal.ts";
import { serverFrames } from "../../src/protocol/server-frames.ts";
import { publishEvent } from "../../src/hub/publishing.ts";
import { HubRig } from "../support/hub.ts";
import { writeMessagePack } from "../support/msgpack-forms.ts";

/** Events that clients and the backend publish, as their members see them. */

type Member = ReturnType<HubRig["connect"]>;

const TOPIC = "conversation:42";
const topics = new Map<string, readonly GrantedAction[]>([[TOPIC, ["read", "write", "presence"]]]);

/** A connection that may read and write the topic, and is in it. */
function member(rig: HubRig, userId: string, codec = undefined as Parameters<HubRig["connect"]>[1]): Member {
  const made = rig.connect(userId, codec, { topics });
  rig.answer(made, { type: "subscribe", topic: TOPIC });
  return made;
}

/** What came of messages: no announcements. */
function events({ socket }: Member): Record<string, unknown>[] {
  const own = new Set(["user_joined", "user_left", "published", "message_sent", "ping"]);
  return socket.take().filter(({ type }) => !own.has(String(type)));
}

/** As a client sends it that writes everything in its shortest form. */
const packed = (frame: object): Uint8Array =>
  writeMessagePack(frame, ([shortest]) => {
    if (shortest === undefined) throw new Error("no form");
    return shortest;
  });

const publish = (more: object = {}) => ({ type: "publish", topic: TOPIC, event: "token", ...more });

describe("an event", () => {
  test("goes to all members, the sender included, and is confirmed with its position", () => {
    const rig = new HubRig();
    const [ada, bob] = [member(rig, "ada"), member(rig, "bob")];
    ada.socket.take();
    rig.receive(ada.connection, publish({ data: { text: "Hi", index: 0 }, messageId: "m1", id: "p" }));
    const [first, second, ...rest] = ada.socket.take();
    expect(rest).toEqual([]);
    const event = {
      type: "token",
      timestamp: expect.any(Number),
      topic: TOPIC,
      data: { text: "Hi", index: 0 },
      messageId: "m1",
      from: { userId: "ada", username: "ada" },
      offset: 1,
      epoch: expect.any(String),
    };
    const confirmation = {
      ...{ type: "published", id: "p", topic: TOPIC, messageId: "m1", offset: 1, epoch: expect.any(String) },
      timestamp: expect.any(Number),
    };
    expect([first, second].toSorted((a, b) => String(a?.["type"]).localeCompare(String(b?.["type"])))).toEqual([
      confirmation,
      event,
    ]);
    expect(events(bob)).toEqual([event]);
  });

  test("gets a message id from the server where its sender gave none, and null for data", () => {
    const rig = new HubRig();
    const ada = member(rig, "ada");
    rig.receive(ada.connection, publish());
    const [event] = events(ada);
    expect(event?.["messageId"]).toMatch(/^srv_[\w-]{22}$/);
    expect(event?.["data"]).toBeNull();
  });

  test("of a room is named by its slug, however the room was joined and the event addressed", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    for (const place of [{ roomSlug: "r" }, { topic: "room:r" }]) {
      const frame = { type: "publish", event: "drawn", ...place };
      const frames = [rig.answer(ada, frame), ...ada.socket.take()];
      for (const { roomSlug, topic } of frames) expect([roomSlug, topic]).toEqual(["r", undefined]);
    }
    expect(rig.answer(ada, { type: "publish", event: "drawn", roomSlug: "r", topic: "room:r" })).toMatchObject({
      code: "BAD_MESSAGE",
    });
    expect(rig.answer(ada, { type: "publish", event: "drawn" })).toMatchObject({ code: "BAD_MESSAGE" });
  });

  test("says who really sent it, whatever its sender says", () => {
    const rig = new HubRig();
    const [mallory, bob] = [member(rig, "mallory"), member(rig, "bob")];
    bob.socket.take();
    const forged = {
      ...{
        from: { userId: "admin", username: "admin" },
        id: "x",
        timestamp: 1,
        offset: 99,
        epoch: "e",
        type: "publish",
      },
      ...{ userId: "admin", username: "admin", roles: ["admin"], data: { from: "admin" }, messageId: "m" },
    };
    rig.receive(mallory.connection, { ...publish(), ...forged });
    const [event] = events(bob);
    expect(event).toEqual({
      ...{ type: "token", topic: TOPIC, messageId: "m", data: { from: "admin" }, offset: 1 },
      from: { userId: "mallory", username: "mallory" },
      epoch: expect.not.stringMatching(/^e$/),
      timestamp: rig.clock.now(),
    });
  });

  test("has no sender exactly when the backend published it, and the user's id as its token has it otherwise", () => {
    const rig = new HubRig();
    const ada = rig.connect("7", undefined, { topics, wireId: 7, username: "Ada" });
    rig.answer(ada, { type: "subscribe", topic: TOPIC });
    rig.receive(ada.connection, publish());
    void publishEvent(rig.hub, { topic: TOPIC, event: "token", data: 1, messageId: undefined, from: null });
    const [hers, theirs] = events(ada);
    expect(hers?.["from"]).toEqual({ userId: 7, username: "Ada" });
    expect(theirs).not.toHaveProperty("from");
    expect([hers?.["offset"], theirs?.["offset"]]).toEqual([1, 2]);
  });

  test("goes to two connections of one user, to each once", () => {
    const rig = new HubRig();
    const [one, two] = [member(rig, "ada"), member(rig, "ada")];
    rig.answer(one, { type: "subscribe", topic: TOPIC });
    rig.receive(one.connection, publish({ messageId: "m" }));
    expect([events(one), events(two)].map((frames) => frames.map(({ type }) => type))).toEqual([["token"], ["token"]]);
  });

  test("to a topic in which nobody is takes a position all the same", () => {
    const rig = new HubRig();
    const ada = rig.connect("ada", undefined, { topics });
    expect(rig.answer(ada, publish())).toMatchObject({ type: "published", offset: 1 });
    expect(rig.answer(ada, { type: "history", topic: TOPIC })).toMatchObject({ offset: 1, messages: [{ offset: 1 }] });
    expect(rig.hub.rooms.size).toBe(0);
  });
});

describe("the name of an event", () => {
  test("is no name of a frame that the server sends for itself", () => {
    const names = Object.keys(serverFrames);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter(isEventName)).toEqual([]);
    const rig = new HubRig();
    for (const event of names) {
      const answer = rig.answer(rig.connect("ada", undefined, { topics }), publish({ event, messageId: "m" }));
      expect(answer).toMatchObject({ code: "BAD_MESSAGE", topic: TOPIC, messageId: "m" });
      rig.tick(10);
    }
  });

  test.each([
    "",
    "Token",
    "1token",
    "_x",
    "a b",
    "a:b",
    "$x",
    "tökén",
    "a\n",
    "x".repeat(65),
    7,
    null,
    { name: "token" },
  ])("is not %p", (event) => {
    const rig = new HubRig();
    expect(rig.answer(member(rig, "ada"), publish({ event }))).toMatchObject({ code: "BAD_MESSAGE" });
  });

  test.each(["token", "a", "message_status", "game.moved-2", "constructor", "tostring", "x".repeat(64), "subscribe"])(
    "may be %s",
    (event) => {
      const rig = new HubRig();
      const ada = member(rig, "ada");
      rig.receive(ada.connection, publish({ event }));
      expect(events(ada)).toMatchObject([{ type: event, from: { userId: "ada" } }]);
    },
  );
});

describe("the data of an event", () => {
  const VALUES = {
    nothing: null,
    yes: true,
    zero: 0,
    negative: -1,
    fraction: 0.1,
    largest: Number.MAX_SAFE_INTEGER,
    smallest: Number.MIN_SAFE_INTEGER,
    text: 'quote " backslash \\ line \n tab \t nul \u0000 ü 😀 \u2028',
    empty: ["", [], {}],
    nested: [[[[{ deep: [1, [2, [3]]] }]]]],
    constructor: "ordinary",
    toJSON: "ordinary",
    then: 1,
    "key with spaces": 1,
    "": "no name",
  };

  test("comes through in every kind of value, alike in JSON and in MessagePack, live and from the history", () => {
    const rig = new HubRig();
    const [ada, bob] = [member(rig, "ada"), member(rig, "bob", msgpackCodec)];
    rig.receive(ada.connection, publish({ data: VALUES, messageId: "json" }));
    rig.hub.message(bob.connection, packed({ ...publish({ data: VALUES }), messageId: "msgpack" }));
    const [live, liveInMsgpack] = [events(ada), events(bob)];
    expect(live.map(({ data, messageId }) => [messageId, data])).toEqual([
      ["json", VALUES],
      ["msgpack", VALUES],
    ]);
    expect(liveInMsgpack).toEqual(live);
    for (const who of [ada, bob]) {
      const { messages } = rig.answer(who, { type: "history", topic: TOPIC });
      expect(messages).toEqual(live);
    }
  });

  test.each([[null], [false], [0], ["text"], [[]], [[1, 2]]])("may be %j by itself", (data) => {
    const rig = new HubRig();
    const ada = member(rig, "ada");
    rig.receive(ada.connection, publish({ data }));
    expect(events(ada)).toMatchObject([{ data }]);
  });

  test("may be 16 KiB as JSON, in bytes, and not one more", () => {
    const rig = new HubRig({ messageBurst: 1_000, messagesPerSecond: 1_000 });
    const ada = member(rig, "ada");
    const rows: [unknown, number][] = [
      ["x".repeat(16_382), 16_384],
      ["x".repeat(16_383), 16_385],
      ["ü".repeat(8_191), 16_384],
      ["ü".repeat(8_192), 16_386],
      ["😀".repeat(4_095), 16_382],
      ["\n".repeat(8_191), 16_384],
      ["\n".repeat(8_192), 16_386],
      [{ a: "x".repeat(16_377) }, 16_385],
    ];
    for (const [data, bytes] of rows) {
      const expected =
        bytes <= 16_384
          ? { type: "published" }
          : { type: "error", code: "MESSAGE_TOO_LARGE", limit: 16_384, actual: bytes, topic: TOPIC, messageId: "m" };
      const messageId = bytes <= 16_384 ? undefined : "m";
      expect(rig.answer(ada, publish({ data, messageId }))).toMatchObject(expected);
    }
    expect(rig.answer(ada, { type: "history", topic: TOPIC })).toMatchObject({ offset: 4 });
  });
});

describe("sent again under the same id", () => {
  test("an event is confirmed as before and delivered once, on any connection of its user", () => {
    const rig = new HubRig();
    const [ada, bob] = [member(rig, "ada"), member(rig, "bob")];
    const first = rig.answer(ada, publish({ data: { a: 1 }, messageId: "m" }));
    const again = rig.answer(member(rig, "ada"), publish({ data: { a: 1 }, messageId: "m" }));
    expect(again).toMatchObject({ type: "published", messageId: "m", offset: first["offset"], epoch: first["epoch"] });
    expect(events(bob)).toHaveLength(1);
  });

  test.each([
    ["data", publish({ data: 2, messageId: "m" })],
    ["name", publish({ event: "status", data: 1, messageId: "m" })],
  ])("with another %s it is MESSAGE_ID_REUSED", (_what, frame) => {
    const rig = new HubRig();
    const ada = member(rig, "ada");
    rig.answer(ada, publish({ data: 1, messageId: "m" }));
    expect(rig.answer(ada, frame)).toMatchObject({ code: "MESSAGE_ID_REUSED", messageId: "m", topic: TOPIC });
  });

  test("it is another event of another user, and of the backend", () => {
    const rig = new HubRig();
    const [ada, bob] = [member(rig, "ada"), member(rig, "bob")];
    rig.receive(ada.connection, publish({ data: 1, messageId: "m" }));
    rig.receive(bob.connection, publish({ data: 2, messageId: "m" }));
    const event = { topic: TOPIC, event: "token", messageId: "m", from: null };
    void publishEvent(rig.hub, { ...event, data: 3 });
    void publishEvent(rig.hub, { ...event, data: 3 });
    expect(() => publishEvent(rig.hub, { ...event, data: 4 })).toThrow(
      expect.objectContaining({ code: "MESSAGE_ID_REUSED" }),
    );
    expect(events(bob).map(({ data }) => data)).toEqual([1, 2, 3]);
  });

  test("a chat message is never taken for an event, whatever its text", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    const event = { type: "publish", roomSlug: "r", event: "token", data: 1, messageId: "m" };
    expect(rig.answer(ada, event)).toMatchObject({ offset: 1 });
    for (const message of ["token 1", "\u0000token 1"]) {
      expect(rig.answer(ada, { type: "chat_message", roomSlug: "r", message, messageId: "m" })).toMatchObject({
        code: "MESSAGE_ID_REUSED",
      });
    }
  });
});

describe("chat messages and events of one room", () => {
  test("have positions without a gap, one order for all, and stand in history and recovery as they came", () => {
    const rig = new HubRig();
    const [ada, bob] = [rig.member("ada", "r"), rig.member("bob", "r", msgpackCodec)];
    ada.socket.take();
    for (let count = 0; count < 5; count += 1) {
      rig.receive(ada.connection, { type: "chat_message", roomSlug: "r", message: `m${count}` });
      rig.receive(ada.connection, { type: "publish", roomSlug: "r", event: "drawn", data: count });
    }
    const [hers, his] = [events(ada), events(bob)];
    expect(hers.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(his).toEqual(hers);
    expect(hers.map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => ["new_message", "drawn"]).flat());
    const [{ epoch } = {}] = hers;
    const recover = { offset: 4, epoch };
    expect(rig.answer(rig.connect("eve"), { type: "subscribe", topic: "room:r", recover })).toMatchObject({
      ...{ wasRecovering: true, recovered: true, offset: 10, messages: hers.slice(4) },
    });
    expect(rig.answer(bob, { type: "history", roomSlug: "r", limit: 3 })).toMatchObject({ messages: hers.slice(7) });
  });
});

describe("a namespace of server events", () => {
  test.each(["user:ada", "followers:ada", "wallet:ada", "system:status"])(
    "such as %s takes none of a client's, and has no presence",
    (topic) => {
      const rig = new HubRig();
      const ada = rig.connect("ada", undefined, { roles: ["admin"] });
      expect(rig.answer(ada, { type: "subscribe", topic })).not.toHaveProperty("userCount");
      for (const frame of [
        publish({ topic }),
        { type: "typing", topic, isTyping: true },
        { type: "presence", topic },
      ]) {
        expect(rig.answer(ada, frame)).toMatchObject({ code: "FORBIDDEN", topic });
      }
      void publishEvent(rig.hub, { topic, event: "balance_update", data: 1, messageId: undefined, from: null });
      expect(events(ada)).toMatchObject([{ type: "balance_update", topic, offset: 1 }]);
    },
  );
});

test("publishing costs like any message", () => {
  const rig = new HubRig({ messagesPerSecond: 1, messageBurst: 4 });
  const ada = rig.connect("ada", undefined, { topics });
  expect(rig.answer(ada, publish({ data: "x".repeat(9_000) }))).toMatchObject({ type: "published" });
  expect(rig.answer(ada, publish())).toMatchObject({ type: "published" });
  expect(rig.answer(ada, publish({ messageId: "m" }))).toMatchObject({ code: "RATE_LIMITED", messageId: "m" });
});
