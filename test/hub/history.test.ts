import { describe, expect, test } from "bun:test";
import { eventFor } from "../support/bodies.ts";
import { HubRig } from "../support/hub.ts";
import { LARGE, listed, position, publish, textsIn, WIDE } from "../support/room-history.ts";

describe("history", () => {
  test("gives the newest without a position, and with one the oldest after it, as they went out live", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    for (let n = 1; n <= 5; n += 1) publish(rig, `m${n}`);
    const live = ada.socket.take();
    rig.receive(ada.connection, { type: "history", roomSlug: "r", limit: 2, id: 1 });
    rig.receive(ada.connection, { type: "history", roomSlug: "r", limit: 2, since: { ...position(rig), offset: 1 } });
    const [newest, oldest] = ada.socket.take();
    expect(newest).toMatchObject({ type: "history", id: 1, roomSlug: "r", offset: 5, messages: live.slice(3) });
    expect(newest).not.toHaveProperty("recovered");
    expect(oldest).toMatchObject({ type: "history", recovered: true, messages: live.slice(1, 3) });
  });

  test("since a position that cannot be served says so and has no messages", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    publish(rig, "one");
    ada.socket.take();
    rig.receive(ada.connection, { type: "history", roomSlug: "r", since: { offset: 0, epoch: "other" } });
    expect(ada.socket.take()).toMatchObject([{ type: "history", recovered: false, messages: [], offset: 1 }]);
  });

  test("takes a limit over 100 as 100", () => {
    const rig = new HubRig({}, undefined, { ...WIDE, historySize: 300 });
    const ada = rig.member("ada", "r");
    for (let n = 0; n < 250; n += 1) publish(rig, `m${n}`);
    ada.socket.take();
    rig.receive(ada.connection, { type: "history", roomSlug: "r", limit: 1_000 });
    expect(listed(ada.socket.take()[0])).toHaveLength(100);
  });

  test("holds no more than fits into one frame: the newest, or the oldest after a position", () => {
    const rig = new HubRig({}, undefined, WIDE);
    const ada = rig.member("ada", "r");
    for (let n = 0; n < 10; n += 1) publish(rig, `m${n}`, LARGE);
    ada.socket.take();
    rig.receive(ada.connection, { type: "history", roomSlug: "r" });
    rig.receive(ada.connection, { type: "history", roomSlug: "r", since: { ...position(rig), offset: 0 } });
    const frames = ada.socket.take();
    expect(frames.map((frame) => textsIn([frame]))).toEqual([
      ["m6", "m7", "m8", "m9"],
      ["m0", "m1", "m2", "m3"],
    ]);
  });

  test("of the user's own topic is for the user, whose connections are all in it", () => {
    const rig = new HubRig();
    const ada = rig.connect("ada");
    void rig.hub.broker.publish({ topic: "user:ada", body: eventFor("user:ada", "note"), identity: null }, true);
    ada.socket.take();
    rig.receive(ada.connection, { type: "history", topic: "user:ada" });
    expect(ada.socket.take()).toMatchObject([{ type: "history", topic: "user:ada", messages: [{ type: "note" }] }]);
  });

  test.each([
    ["a room of others", { roomSlug: "other" }, "NOT_A_MEMBER"],
    ["another user", { topic: "user:bob" }, "FORBIDDEN"],
    ["a topic without history", { topic: "system:status" }, "FORBIDDEN"],
    ["a topic of no namespace", { topic: "nowhere:x" }, "FORBIDDEN"],
    ["two places", { roomSlug: "r", topic: "room:r" }, "BAD_MESSAGE"],
    ["no place", {}, "BAD_MESSAGE"],
    ["a limit of 0", { roomSlug: "r", limit: 0 }, "BAD_MESSAGE"],
  ])("of %s is refused", (_what, fields, code) => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, { type: "history", ...fields });
    expect(ada.socket.take()).toMatchObject([{ type: "error", code }]);
  });
});
