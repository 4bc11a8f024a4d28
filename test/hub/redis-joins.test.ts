import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { RedisHub, untilTold } from "../support/redis-hub.ts";

/** What happens to a member, or to whoever is about to be one, while its join waits for Redis. */

describe.skipIf(REDIS.path === null)(`a join that waits for Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let hub: RedisHub;

  beforeEach(async () => {
    redis = await TestRedis.start();
    hub = await RedisHub.start(redis, { maxTopicsPerConnection: 2 });
  });

  afterEach(async () => {
    hub.stop();
    await redis.stop();
  });

  test("that the backend takes back by unsubscribe is refused, and makes nobody a member", async () => {
    const ada = await hub.connect("ada");
    redis.pause();
    hub.rig.receive(ada.connection, { type: "join_room", roomSlug: "r", id: "j" });
    expect(hub.backend.unsubscribe("ada", "room:r")).toBe(0);
    redis.resume();
    expect(await untilTold(ada.socket, "error")).toMatchObject([{ id: "j", code: "FORBIDDEN" }]);
    expect(hub.rig.hub.rooms.size).toBe(0);
    // Its token allows it: it may ask again.
    expect(await hub.ask(ada, { type: "join_room", roomSlug: "r" })).toMatchObject([{ type: "room_joined" }]);
  });

  test("is not touched when the backend takes the user out of another topic", async () => {
    const ada = await hub.connect("ada");
    redis.pause();
    hub.rig.receive(ada.connection, { type: "join_room", roomSlug: "r" });
    hub.backend.unsubscribe("ada", "room:other");
    redis.resume();
    expect(await untilTold(ada.socket, "room_joined")).toHaveLength(1);
  });

  test("by order of the backend ends without a member when the backend takes it back, or the client leaves", async () => {
    const ada = await hub.connect("ada");
    for (const undo of [
      () => hub.backend.unsubscribe("ada", "admin:x"),
      () => hub.rig.receive(ada.connection, { type: "unsubscribe", topic: "admin:x" }),
    ]) {
      redis.pause();
      const subscribing = hub.backend.subscribe("ada", "admin:x");
      undo();
      redis.resume();
      expect(await subscribing).toEqual({ subscribed: 0, skipped: 1 });
      expect(ada.connection.rooms).toEqual([]);
      expect(ada.connection.grants).toBeNull();
      expect(ada.socket.take().filter(({ type }) => type === "subscribed")).toEqual([]);
    }
  });

  test("by several orders of the backend at once takes no connection over its limit of topics", async () => {
    const ada = await hub.connect("ada");
    const asked = ["a", "b", "c", "d"].map((name) => hub.backend.subscribe("ada", `admin:${name}`));
    const done = await Promise.all(asked);
    expect(done.filter(({ subscribed }) => subscribed === 1)).toHaveLength(2);
    expect(ada.connection.rooms).toHaveLength(2);
    expect(ada.connection.grants?.size).toBe(2);
  });

  test("and a second one of the same topic make the connection one member, which is told of it by its own join", async () => {
    const ada = await hub.connect("ada");
    const bob = await hub.member("bob", "r");
    redis.pause();
    hub.rig.receive(ada.connection, { type: "join_room", roomSlug: "r" });
    const subscribing = [hub.backend.subscribe("ada", "room:r"), hub.backend.subscribe("ada", "room:r")];
    redis.resume();
    expect(await Promise.all(subscribing)).toEqual([
      { subscribed: 1, skipped: 0 },
      { subscribed: 1, skipped: 0 },
    ]);
    await until(() => ada.connection.waiting === null);
    expect(ada.connection.rooms).toHaveLength(1);
    expect(hub.rig.hub.rooms.get("room:r")?.members).toBe(2);
    expect(ada.socket.take().map(({ type }) => type)).toEqual(["room_joined"]);
    expect(bob.socket.take().map(({ type }) => type)).toEqual(["user_joined"]);
  });

  test("of a connection that ends meanwhile leaves nothing behind", async () => {
    const ada = await hub.connect("ada");
    redis.pause();
    hub.rig.receive(ada.connection, { type: "join_room", roomSlug: "r" });
    const subscribing = hub.backend.subscribe("ada", "room:s");
    ada.socket.end(1006);
    redis.resume();
    expect(await subscribing).toEqual({ subscribed: 0, skipped: 1 });
    await until(() => hub.broker.held.positions === 0);
    expect(hub.rig.hub.rooms.size).toBe(0);
    expect(hub.rig.failures).toEqual([]);
  });

  test("of the last member's topic, while the bus is being told that nobody wants it any more, hears everything", async () => {
    const ada = await hub.member("ada", "r");
    for (let round = 0; round < 20; round += 1) {
      hub.rig.receive(ada.connection, { type: "leave_room", roomSlug: "r" });
      hub.rig.receive(ada.connection, { type: "join_room", roomSlug: "r" });
      const [first] = (await untilTold(ada.socket, "room_joined")).slice(-1);
      await hub.publish("r");
      expect((await untilTold(ada.socket, "note"))[0]).toMatchObject({ offset: Number(first?.["offset"]) + 1 });
    }
  });

  test("of whoever is a member already answers with what was missed, and live messages go on behind it", async () => {
    const ada = await hub.member("ada", "r");
    for (let n = 0; n < 3; n += 1) await hub.publish("r", n);
    await until(() => ada.socket.pending === 3);
    const { epoch } = await hub.broker.position("room:r");
    ada.socket.take();
    const publishing = Promise.all(Array.from({ length: 200 }, (_, n) => hub.publish("r", n)));
    for (let n = 0; n < 20; n += 1) {
      hub.rig.receive(ada.connection, { type: "join_room", roomSlug: "r", recover: { offset: 1, epoch } });
      await hub.rig.settle();
    }
    await publishing;
    await until(() => ada.connection.waiting === null);
    const reached: number[] = [];
    let live = 3;
    for (const frame of ada.socket.take()) {
      if (frame["type"] === "note") {
        live += 1;
        expect(frame["offset"]).toBe(live);
        continue;
      }
      const { offset, messages, recovered } = frame as {
        offset: number;
        messages: { offset: number }[];
        recovered: boolean;
      };
      expect(recovered).toBe(true);
      // Exactly what was delivered up to the answer: what comes behind it is live.
      expect(offset).toBe(live);
      expect(messages.map((message) => message.offset)).toEqual(Array.from({ length: offset - 1 }, (_, n) => n + 2));
      reached.push(offset);
    }
    expect(reached).toHaveLength(20);
  });
});
