import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { BackendRig } from "./backend-rig.ts";

let rig: BackendRig;

beforeEach(() => {
  rig = new BackendRig();
});

afterEach(() => {
  rig[Symbol.dispose]();
});

const EVENT = { event: "news.item", data: { n: 1 } };

describe("POST /api/publish", () => {
  test("names a topic or a room, and answers with the position", async () => {
    const { socket } = rig.hub.member("ada", "lobby");
    const first = await rig.call("/api/publish", { topic: "room:lobby", ...EVENT });
    expect(first).toEqual([200, { messageId: expect.stringMatching(/^srv_/), offset: 1, epoch: expect.any(String) }]);
    const second = await rig.call("/api/publish", { roomSlug: "lobby", event: "news.item", messageId: "m-2" });
    expect(second).toMatchObject([200, { messageId: "m-2", offset: 2 }]);
    expect(socket.take()).toMatchObject([
      { type: "news.item", roomSlug: "lobby", data: { n: 1 }, offset: 1 },
      { type: "news.item", roomSlug: "lobby", data: null, offset: 2 },
    ]);
  });

  test("to many topics answers for each of them", async () => {
    await rig.call("/api/publish", { topic: "room:b", event: "e", data: "other", messageId: "m" });
    const answer = await rig.call("/api/publish", {
      topics: ["room:a", "room:b", "wallet:7"],
      event: "e",
      messageId: "m",
    });
    expect(answer).toMatchObject([
      200,
      {
        results: [
          { topic: "room:a", messageId: "m", offset: 1 },
          { topic: "room:b", code: "MESSAGE_ID_REUSED" },
          { topic: "wallet:7", messageId: "m", offset: 1 },
        ],
      },
    ]);
  });

  test("with an id that was used for the same is answered as the first was, and delivers nothing", async () => {
    const { socket } = rig.hub.member("ada", "lobby");
    const body = { topic: "room:lobby", ...EVENT, messageId: "m" };
    const first = await rig.call("/api/publish", body);
    expect(await rig.call("/api/publish", body)).toEqual(first);
    expect(socket.take()).toHaveLength(1);
  });

  test("with an id that was used for something else is 409", async () => {
    await rig.call("/api/publish", { topic: "room:lobby", ...EVENT, messageId: "m" });
    for (const other of [{ data: { n: 2 } }, { event: "news.other" }]) {
      const answer = await rig.call("/api/publish", { topic: "room:lobby", ...EVENT, messageId: "m", ...other });
      expect(answer).toMatchObject([409, { code: "MESSAGE_ID_REUSED" }]);
    }
  });

  test("takes 16 KiB of data and no more", async () => {
    const publish = (length: number) =>
      rig.call("/api/publish", { topic: "room:a", event: "e", data: "x".repeat(length) });
    expect(await publish(16_382)).toMatchObject([200, { offset: 1 }]);
    expect(await publish(16_383)).toMatchObject([413, { code: "MESSAGE_TOO_LARGE", limit: 16_384, actual: 16_385 }]);
  });

  test.each([
    ["no place", { ...EVENT }],
    ["two places", { topic: "room:a", roomSlug: "a", ...EVENT }],
    ["a topic and topics", { topic: "room:a", topics: ["room:b"], ...EVENT }],
    ["no topics", { topics: [], ...EVENT }],
    ["101 topics", { topics: Array.from({ length: 101 }, (_, index) => `room:${index}`), ...EVENT }],
    ["a topic that is none", { topic: "room", ...EVENT }],
    ["one topic among others that is none", { topics: ["room:a", "Room:b"], ...EVENT }],
    ["a room that is none", { roomSlug: "a b", ...EVENT }],
    ["no event", { topic: "room:a" }],
    ["an event with the name of a frame", { topic: "room:a", event: "new_message" }],
    ["an event that is no name", { topic: "room:a", event: "News" }],
    ["an id of 65 characters", { topic: "room:a", ...EVENT, messageId: "m".repeat(65) }],
    ["an empty id", { topic: "room:a", ...EVENT, messageId: "" }],
    ["an id with half of a character", { topic: "room:a", ...EVENT, messageId: "\ud800" }],
    ["data with half of a character", { topic: "room:a", event: "e", data: ["\ud800"] }],
    ["data that is too deep", { topic: "room:a", event: "e", data: nested(32) }],
  ])("with %s is refused, and nothing is published", async (_what, body) => {
    expect(await rig.call("/api/publish", body)).toMatchObject([400, { code: "BAD_REQUEST" }]);
    expect(rig.hub.hub.broker.position("room:a")).toMatchObject({ offset: 0 });
  });

  test("with numbers that only one framing can say is refused", async () => {
    for (const number of ["1e999", "9007199254740993"]) {
      const text = `{"topic":"room:a","event":"e","data":${number}}`;
      expect(await rig.callWith("/api/publish", { body: text })).toMatchObject([400, { code: "BAD_REQUEST" }]);
    }
  });

  test("while the broker is away is 503, with the same id to try again", async () => {
    using down = new BackendRig({ isDown: true });
    const answer = await down.call("/api/publish", { topic: "room:a", ...EVENT });
    expect(answer).toMatchObject([503, { code: "PUBLISH_FAILED" }]);
    const many = await down.call("/api/publish", { topics: ["room:a"], ...EVENT });
    expect(many).toEqual([200, { results: [{ topic: "room:a", code: "PUBLISH_FAILED" }] }]);
  });
});

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}
