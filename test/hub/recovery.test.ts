import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { removeFromTopic } from "../../src/hub/membership.ts";
import type { Broker, Positioned } from "../../src/broker/broker.ts";
import { Backend } from "../../src/hub/backend.ts";
import { newestThatFit, partsOf, recoveryOf } from "../../src/hub/recovery.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { until } from "../observe/recorded-sink.ts";
import {
  LARGE,
  WIDE,
  ofType,
  position,
  publish,
  rigWithLargeHistory,
  textOf,
  textsIn,
} from "../support/room-history.ts";
import { HubRig, type KeptSocket, passing } from "../support/hub.ts";

const messages = (sizes: readonly number[]): Positioned[] =>
  sizes.map((size, index) => ({ offset: index + 1, epoch: "e", body: { kind: "event", json: "x".repeat(size) } }));

describe("The parts of a recovery", () => {
  test("hold all messages in their order, each at most so many bytes unless one message alone is larger", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_500 }), { maxLength: 40 }), (sizes) => {
        const all = messages(sizes);
        const parts = partsOf(all, 1_000);
        expect(parts.flat()).toEqual(all);
        for (const part of parts) {
          const bytes = part.reduce((sum, { body }) => sum + body.json.length, 0);
          expect(part.length === 1 || bytes <= 1_000).toBe(true);
        }
      }),
      { seed: 11 },
    );
  });

  test("count bytes, not letters", () => {
    const wide = messages([300, 300]).map((each) => ({ ...each, body: { ...each.body, json: "€".repeat(300) } }));
    expect(partsOf(wide, 1_927)).toHaveLength(2);
    expect(partsOf(wide, 1_928)).toHaveLength(1);
  });

  test("are one empty part when nothing was missed, and none when it cannot be recovered", () => {
    const at = { offset: 3, epoch: "e", messages: [] };
    expect(recoveryOf({ ...at, recovered: true }).parts).toEqual([[]]);
    expect(recoveryOf({ ...at, recovered: false })).toMatchObject({ recovered: false, wasRecovering: true, parts: [] });
  });

  test("the newest that fit are the end of the list, and at least one", () => {
    expect(newestThatFit(messages([900, 100, 200]), 500).map(({ offset }) => offset)).toEqual([2, 3]);
    expect(newestThatFit(messages([100, 9_000]), 500).map(({ offset }) => offset)).toEqual([2]);
    expect(newestThatFit([], 500)).toEqual([]);
  });
});

function rejoin(rig: HubRig, userId: string, recover: object): ReturnType<HubRig["connect"]> {
  const client = rig.connect(userId);
  rig.receive(client.connection, { type: "join_room", roomSlug: "r", recover, id: 7 });
  return client;
}

/** The client has read everything. */
function read(rig: HubRig, { socket, connection }: { socket: KeptSocket } & ReturnType<HubRig["connect"]>): void {
  socket.bufferedBytes = 0;
  rig.hub.drain(connection);
}

describe("A join with a position", () => {
  test("is answered with every frame after it, as it went out live, and live frames go on behind", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    for (const text of ["one", "two", "three"]) {
      rig.receive(ada.connection, { type: "chat_message", roomSlug: "r", message: text });
    }
    const live = ofType(ada.socket.take(), "new_message");
    const { epoch } = position(rig);
    const bob = rejoin(rig, "bob", { offset: 1, epoch });
    const [answer, ...rest] = bob.socket.take();
    expect(answer).toEqual({
      type: "room_joined",
      id: 7,
      roomSlug: "r",
      message: "Joined room r",
      userCount: 2,
      offset: 3,
      epoch,
      wasRecovering: true,
      recovered: true,
      timestamp: expect.any(Number),
      messages: live.slice(1),
    });
    expect(rest).toEqual([]);
    rig.receive(ada.connection, { type: "chat_message", roomSlug: "r", message: "four" });
    expect(bob.socket.take()).toMatchObject([{ type: "new_message", offset: 4 }]);
  });

  test("at the newest position is recovered with no message", () => {
    const rig = new HubRig();
    publish(rig, "one");
    const [answer] = rejoin(rig, "bob", position(rig)).socket.take();
    expect(answer).toMatchObject({ wasRecovering: true, recovered: true, messages: [], offset: 1 });
  });

  test.each([
    ["of another epoch", { offset: 1, epoch: "other" }],
    ["from the future", { offset: 999 }],
    ["that is too old", { offset: 0 }],
  ])("%s is told so, gets no message at all, and is a member from the newest position on", (_what, recover) => {
    const rig = new HubRig();
    for (let n = 0; n < 150; n += 1) publish(rig, `m${n}`);
    const bob = rejoin(rig, "bob", { ...position(rig), ...recover });
    const [answer] = bob.socket.take();
    expect(answer).toMatchObject({ wasRecovering: true, recovered: false, offset: 150 });
    expect(answer).not.toHaveProperty("messages");
    publish(rig, "next");
    expect(bob.socket.take()).toMatchObject([{ offset: 151 }]);
  });

  test("of a member answers again with what it names, and announces nobody", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    const bob = rig.member("bob", "r");
    ada.socket.take();
    publish(rig, "one");
    bob.socket.take();
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    expect(textsIn(bob.socket.take())).toEqual(["one"]);
    expect(ofType(ada.socket.take(), "user_joined")).toEqual([]);
  });

  test.each([
    ["a negative offset", { offset: -1, epoch: "e" }],
    ["half an offset", { offset: 0.5, epoch: "e" }],
    ["an offset that is text", { offset: "1", epoch: "e" }],
    ["no epoch", { offset: 1 }],
    ["an epoch that is too long", { offset: 1, epoch: "e".repeat(65) }],
    ["a position that is none", "newest"],
  ])("with %s is invalid and joins nothing", (_what, recover) => {
    const rig = new HubRig();
    const client = rig.connect("ada");
    rig.receive(client.connection, { type: "join_room", roomSlug: "r", recover });
    expect(client.socket.take()).toMatchObject([{ type: "error", code: "BAD_MESSAGE", roomSlug: "r" }]);
    expect(rig.hub.rooms.memberships).toBe(0);
  });
});

describe("A recovery that is larger than one frame", () => {
  test("comes in parts that say whether more follow, before any live frame, exactly once and in order", async () => {
    const rig = rigWithLargeHistory();
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rejoin(rig, "bob", { ...position(rig), offset: 0 });
    publish(rig, "live");
    await until(() => bob.socket.frames.some((frame) => textOf(frame) === "live"));
    publish(rig, "later");
    const frames = bob.socket.take();
    expect(textsIn(frames)).toEqual([...Array.from({ length: 12 }, (_, n) => `m${n}`), "live", "later"]);
    const recovered = ofType(frames, "recovered");
    expect(recovered.map(({ more }) => more)).toEqual([true, false]);
    expect(recovered.every(({ roomSlug }) => roomSlug === "r")).toBe(true);
    for (const frame of ofType(frames, "room_joined", "recovered")) {
      expect(JSON.stringify(frame).length).toBeLessThan(270_000);
    }
    expect(rig.hub.rooms.get("room:r")?.catchingUp).toBeNull();
  });

  test("waits while more than half of the bound is unsent, and so do the client's next frames", async () => {
    const rig = rigWithLargeHistory();
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    rig.receive(bob.connection, { type: "ping", id: 8 });
    publish(rig, "meanwhile");
    await rig.settle();
    expect(bob.socket.take().map(({ type }) => type)).toEqual(["room_joined"]);
    bob.socket.bufferedBytes = 500_001;
    rig.hub.drain(bob.connection);
    await rig.settle();
    expect(bob.socket.take()).toEqual([]);
    read(rig, bob);
    await until(() => bob.socket.frames.some(({ type }) => type === "pong"));
    const frames = bob.socket.take();
    expect(frames.map(({ type }) => type)).toEqual(["recovered", "recovered", "new_message", "pong"]);
    expect(textsIn(frames).at(-1)).toBe("meanwhile");
  });

  test("sends of what was published meanwhile, too, no more than the bound allows at once", async () => {
    const rig = rigWithLargeHistory();
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    for (let n = 0; n < 60; n += 1) publish(rig, `live${n}`, LARGE);
    let most = 0;
    const send = bob.socket.send.bind(bob.socket);
    bob.socket.send = (frame) => {
      bob.socket.bufferedBytes += frame.length;
      most = Math.max(most, bob.socket.bufferedBytes);
      return send(frame);
    };
    while (!bob.socket.frames.some((frame) => textOf(frame) === "live59")) {
      read(rig, bob);
      await rig.settle();
    }
    expect(most).toBeLessThan(1_000_000);
    const live = Array.from({ length: 60 }, (_, n) => `live${n}`);
    expect(textsIn(bob.socket.take()).slice(-60)).toEqual(live);
  });

  test("still hears who comes and goes meanwhile", async () => {
    const rig = rigWithLargeHistory();
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    bob.socket.take();
    rig.member("carol", "r").socket.end(1000);
    expect(bob.socket.take().map(({ type }) => type)).toEqual(["user_joined", "user_left"]);
    read(rig, bob);
    await rig.settle();
  });

  test("of a member that is taken out and put back in the middle ends there: nothing comes twice or behind newer messages", async () => {
    const rig = rigWithLargeHistory();
    const backend = new Backend(rig.hub);
    rig.member("somebody", "r");
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    bob.socket.take();
    backend.unsubscribe("bob", "room:r");
    await backend.subscribe("bob", "room:r");
    publish(rig, "live");
    rig.receive(bob.connection, { type: "ping" });
    read(rig, bob);
    await until(() => bob.socket.frames.some(({ type }) => type === "pong"));
    const frames = bob.socket.take();
    expect(frames.map(({ type }) => type)).toEqual(["unsubscribed", "subscribed", "new_message", "pong"]);
    expect(textsIn(frames)).toEqual(["live"]);
  });

  test("of a connection that ends in the middle leaves nothing behind", async () => {
    const rig = rigWithLargeHistory();
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    bob.socket.end(1000);
    await rig.settle();
    expect([rig.hub.connections.size, rig.hub.rooms.size, rig.hub.rooms.memberships]).toEqual([0, 0, 0]);
    expect(rig.failures).toEqual([]);
  });

  test("ends a client that falls behind the history itself with 4013, rather than leaving a hole", async () => {
    const rig = new HubRig({ maxUnsentBytes: 1_000_000 }, undefined, { ...WIDE, historySize: 20 });
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    for (let n = 0; n < 30; n += 1) publish(rig, `more${n}`);
    read(rig, bob);
    await until(() => bob.socket.closed !== null);
    expect(bob.socket.closed?.code).toBe(4013);
    expect(textsIn(bob.socket.take())).not.toContain("more29");
    expect(rig.metrics.counters.slowConsumers).toBe(1);
  });

  test("that the broker breaks off ends the connection, which must not go on with a hole", async () => {
    let isAway = false;
    const around = (broker: Broker): Broker => ({
      ...passing(broker),
      history(topic, since, limit) {
        if (isAway) throw new ProtocolError("UNAVAILABLE");
        return broker.history(topic, since, limit);
      },
    });
    const rig = new HubRig({ maxUnsentBytes: 1_000_000 }, around, WIDE);
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    isAway = true;
    read(rig, bob);
    await until(() => bob.socket.closed !== null);
    expect(bob.socket.closed?.code).toBe(1011);
    expect(rig.hub.rooms.memberships).toBe(0);
  });

  test("that breaks off for a fault of ours is logged, although the client is gone by then", async () => {
    const fault = new Error("a bug");
    let isBroken = false;
    const around = (broker: Broker): Broker => ({
      ...passing(broker),
      history(topic, since, limit) {
        if (isBroken) throw fault;
        return broker.history(topic, since, limit);
      },
    });
    const rig = new HubRig({}, around, WIDE);
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rig.connect("bob");
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    isBroken = true;
    read(rig, bob);
    await until(() => bob.socket.closed !== null);
    await rig.settle();
    expect(rig.failures).toEqual([{ error: fault, correlationId: expect.any(String) }]);
  });

  test("of a connection that loses the topic while the broker answers does not make it a reader again", async () => {
    const answering = Promise.withResolvers<void>();
    let asked = 0;
    const around = (broker: Broker): Broker => ({
      ...passing(broker),
      async history(topic, since, limit) {
        const found = await broker.history(topic, since, limit);
        asked += 1;
        await answering.promise;
        return found;
      },
    });
    const rig = new HubRig({}, around, WIDE);
    rig.member("ada", "r");
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    const bob = rejoin(rig, "bob", { ...position(rig), offset: 0 });
    await until(() => asked === 1);
    removeFromTopic(rig.hub, bob.connection, "room:r", "FORBIDDEN");
    bob.socket.take();
    answering.resolve();
    await rig.settle();
    publish(rig, "not for bob");
    expect(bob.socket.take()).toEqual([]);
  });

  test("of a member that is live already holds the live frames back until it is complete", async () => {
    const rig = rigWithLargeHistory();
    const bob = rig.member("bob", "r");
    for (let n = 0; n < 12; n += 1) publish(rig, `m${n}`, LARGE);
    bob.socket.take();
    bob.socket.bufferedBytes = 600_000;
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r", recover: { ...position(rig), offset: 0 } });
    publish(rig, "live");
    expect(textsIn(bob.socket.take())).not.toContain("live");
    read(rig, bob);
    await until(() => bob.socket.frames.some((frame) => textOf(frame) === "live"));
    expect(textsIn(bob.socket.take())).toEqual([...Array.from({ length: 8 }, (_, n) => `m${n + 4}`), "live"]);
  });
});
