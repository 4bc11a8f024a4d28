import { describe, expect, test } from "bun:test";
import type { Actor } from "../../src/hub/audit-trail.ts";
import { Backend } from "../../src/hub/backend.ts";
import type { Connection } from "../../src/hub/connection.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { claims, signed } from "../auth/tokens.ts";
import { HubRig, type KeptSocket, passing } from "../support/hub.ts";
import { principal } from "../support/principal.ts";

function rigWith(...args: ConstructorParameters<typeof HubRig>): { rig: HubRig; backend: Backend } {
  const rig = new HubRig(...args);
  return { rig, backend: new Backend(rig.hub) };
}

/** A connection whose token names whom its user follows. */
function follower(rig: HubRig, userId: string, follows: string[]): { socket: KeptSocket; connection: Connection } {
  const connected = rig.connect(userId);
  const room = rig.hub.rooms.open(`followers:${follows[0]}`);
  connected.connection.principal = principal({ id: userId, username: userId, follows });
  rig.hub.rooms.join(connected.connection, room);
  return connected;
}

const types = (socket: KeptSocket): unknown[] => socket.take().map(({ type }) => type);

/** A broker whose answers come later, as those of one on another machine do. */
function late(broker: Broker): Broker {
  return {
    ...passing(broker),
    publish: (publication, keepsHistory) => Promise.resolve().then(() => broker.publish(publication, keepsHistory)),
    async enter(entrances, use) {
      await Promise.resolve();
      return broker.enter(entrances, use);
    },
  };
}

const ACTOR: Actor = { by: "key", userId: null, address: "192.0.2.9", userAgent: null };

describe("publishing", () => {
  test("reaches the members in both framings, without a sender, with the position that is answered", async () => {
    const { rig, backend } = rigWith();
    const ada = rig.member("ada", "lobby");
    const bob = rig.member("bob", "lobby", msgpackCodec);
    ada.socket.take();
    const published = await backend.publish("room:lobby", { event: "news.item", data: { n: 1 }, messageId: "m-1" });
    expect(published).toMatchObject({ messageId: "m-1", offset: 1 });
    for (const { socket } of [ada, bob]) {
      expect(socket.take()).toEqual([
        {
          ...{ type: "news.item", timestamp: rig.clock.now(), roomSlug: "lobby", data: { n: 1 } },
          ...published,
        },
      ]);
    }
  });

  test("a message id that a user has used is another one", async () => {
    const { rig, backend } = rigWith();
    const { socket, connection } = rig.member("backend", "lobby");
    rig.receive(connection, { type: "publish", roomSlug: "lobby", event: "a", data: 1, messageId: "m" });
    expect(await backend.publish("room:lobby", { event: "b", data: 2, messageId: "m" })).toMatchObject({ offset: 2 });
    expect(types(socket)).toEqual(["a", "published", "b"]);
  });

  test("to many topics goes once to each, and one that fails keeps none of the others from it", async () => {
    const { rig, backend } = rigWith();
    const { socket } = rig.member("ada", "b");
    await backend.publish("room:a", { event: "e", data: "first", messageId: "m" });
    const results = await backend.publishToMany(["room:a", "room:b", "room:b"], {
      ...{ event: "e", data: "second", messageId: "m" },
    });
    expect(results).toEqual([
      { topic: "room:a", code: "MESSAGE_ID_REUSED" },
      { topic: "room:b", messageId: "m", offset: 1, epoch: expect.any(String) },
    ]);
    expect(types(socket)).toEqual(["e"]);
    expect(rig.failures).toEqual([]);
  });

  test("a fault of ours is told as such for its topic, and reported", async () => {
    const { rig, backend } = rigWith({}, (broker) => ({
      ...passing(broker),
      publish(publication, keepsHistory) {
        if (publication.topic === "room:bad") throw new Error("canary");
        return broker.publish(publication, keepsHistory);
      },
    }));
    const results = await backend.publishToMany(["room:bad", "room:good"], { event: "e" });
    expect(results).toMatchObject([{ code: "INTERNAL" }, { offset: 1 }]);
    expect(rig.failures).toHaveLength(1);
  });

  test("data that is too large is refused for all topics", async () => {
    const { backend } = rigWith();
    const refused = backend.publishToMany(["room:a", "room:b"], { event: "e", data: "x".repeat(16_384) });
    expect(await codeOf(refused)).toBe("MESSAGE_TOO_LARGE");
  });
});

describe("sending to a user", () => {
  test("reaches every connection of the user and nobody else, and says how many those were", async () => {
    const { rig, backend } = rigWith();
    const [first, second, other] = [rig.connect("u1"), rig.connect("u1", msgpackCodec), rig.connect("u2")];
    const sent = await backend.sendToUser("u1", { event: "notification", data: { title: "New follower" } });
    expect(sent).toMatchObject({ delivered: 2, offset: 1 });
    for (const { socket } of [first, second]) {
      expect(socket.take()).toMatchObject([
        { type: "notification", topic: "user:u1", data: { title: "New follower" }, timestamp: rig.clock.now() },
      ]);
    }
    expect(other.socket.take()).toEqual([]);
  });

  test("who is away finds it in the history", async () => {
    const { rig, backend } = rigWith();
    expect(await backend.sendToUser("u1", { event: "notification" })).toMatchObject({ delivered: 0, offset: 1 });
    const { socket, connection } = rig.connect("u1");
    rig.receive(connection, { type: "history", topic: "user:u1" });
    expect(socket.take()).toMatchObject([{ type: "history", messages: [{ type: "notification", data: null }] }]);
  });

  test("is answered when a broker elsewhere has taken it", async () => {
    const { rig, backend } = rigWith({}, late);
    // Its greeting has waited for positions.
    const { socket } = rig.connect("u1");
    await rig.settle();
    socket.take();
    expect(await backend.sendToUser("u1", { event: "notification" })).toMatchObject({ delivered: 1, offset: 1 });
    expect(types(socket)).toEqual(["notification"]);
  });
});

describe("sending to followers", () => {
  test("each connection gets it once: a follower who is named too, and one who is only named", async () => {
    const { rig, backend } = rigWith();
    const both = follower(rig, "both", ["star"]);
    const fan = follower(rig, "fan", ["star"]);
    const named = rig.connect("named");
    const nobody = rig.connect("nobody");
    const sent = await backend.sendToFollowers("star", { event: "user_post_created", data: { postId: 789 } }, [
      ...["both", "named", "named"],
    ]);
    expect(sent).toMatchObject({ delivered: 3, offset: 1 });
    expect(both.socket.take()).toMatchObject([{ topic: "followers:star", messageId: sent.messageId }]);
    expect(fan.socket.take()).toMatchObject([{ topic: "followers:star" }]);
    expect(named.socket.take()).toMatchObject([{ topic: "user:named", messageId: sent.messageId, offset: 1 }]);
    expect(nobody.socket.take()).toEqual([]);
  });

  test("a user who follows on one connection only gets it on all, under one id, and no topic has a hole", async () => {
    const { rig, backend } = rigWith();
    const follows = follower(rig, "u1", ["star"]);
    const older = rig.connect("u1");
    const sent = await backend.sendToFollowers("star", { event: "post" }, ["u1"]);
    expect(sent.delivered).toBe(2);
    expect(older.socket.take()).toMatchObject([{ topic: "user:u1", offset: 1, messageId: sent.messageId }]);
    expect(follows.socket.take()).toMatchObject([
      { topic: "followers:star", offset: 1, messageId: sent.messageId },
      { topic: "user:u1", offset: 1, messageId: sent.messageId },
    ]);
  });

  test("who is named and away finds it among what was sent to it", async () => {
    const { rig, backend } = rigWith();
    const { messageId } = await backend.sendToFollowers("star", { event: "post" }, ["u1"]);
    const { socket, connection } = rig.connect("u1");
    rig.receive(connection, { type: "history", topic: "user:u1" });
    expect(socket.take()).toMatchObject([{ messages: [{ type: "post", messageId }] }]);
  });
});

describe("disconnecting a user", () => {
  test("ends its connections with 4003, but for those excepted, and nobody else's", () => {
    const { rig, backend } = rigWith();
    const [first, second, other] = [rig.connect("u1"), rig.connect("u1"), rig.connect("u2")];
    expect(backend.disconnect("u1", { except: [second.connection.id] }, ACTOR)).toBe(1);
    expect(first.socket.closed).toEqual({ code: 4003, reason: "FORBIDDEN" });
    expect([second.socket.closed, other.socket.closed]).toEqual([null, null]);
    expect(rig.audit.filter(({ event }) => event === "user.disconnected")).toEqual([
      {
        event: "user.disconnected",
        ...{ userId: null, address: "192.0.2.9", userAgent: null, result: "ok", code: "OK" },
        about: { by: "key", ofUser: "u1", connections: 1, closeCode: 4003 },
      },
    ]);
  });

  test("may say why, with a code of the application's own, and the user leaves its rooms at once", () => {
    const { rig, backend } = rigWith();
    const { socket } = rig.member("u1", "lobby");
    const stays = rig.member("u2", "lobby");
    expect(backend.disconnect("u1", { code: 4900, reason: "maintenance" }, ACTOR)).toBe(1);
    expect(socket.closed).toEqual({ code: 4900, reason: "maintenance" });
    expect(types(stays.socket)).toEqual(["user_left"]);
    expect(rig.hub.connections.size).toBe(1);
  });

  test.each([3999, 5000, 1000, 4000.5, Number.NaN])("with the code %d is refused, and nobody is ended", (code) => {
    const { rig, backend } = rigWith();
    const { socket } = rig.connect("u1");
    expect(() => backend.disconnect("u1", { code }, ACTOR)).toThrow(new ProtocolError("BAD_REQUEST"));
    expect(socket.closed).toBeNull();
  });

  test("a user without a connection is no event", () => {
    const { rig, backend } = rigWith();
    expect(backend.disconnect("nobody", {}, ACTOR)).toBe(0);
    expect(rig.audit).toEqual([]);
  });
});

describe("subscribing a user", () => {
  test("makes every connection a member whatever its token says, and tells it", async () => {
    const { rig, backend } = rigWith();
    const sockets = [rig.connect("u1"), rig.connect("u1", msgpackCodec)];
    expect(await backend.subscribe("u1", "conversation:7")).toEqual({ subscribed: 2, skipped: 0 });
    for (const { socket } of sockets) {
      expect(socket.take()).toMatchObject([{ type: "subscribed", topic: "conversation:7", userCount: 1, offset: 0 }]);
    }
    await backend.publish("conversation:7", { event: "token", data: { index: 0, text: "Hi" } });
    for (const { socket } of sockets) expect(types(socket)).toEqual(["token"]);
  });

  test("lets it read, and not write, until it ends: also with a new token", async () => {
    const { rig, backend } = rigWith();
    const { socket, connection } = rig.connect("u1");
    await backend.subscribe("u1", "system:alerts");
    socket.take();
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "u1" })) });
    expect(socket.take()).toMatchObject([{ type: "auth_refreshed", kept: ["user:u1", "system:alerts"], lost: [] }]);
    rig.receive(connection, { type: "subscribe", topic: "system:alerts" });
    rig.receive(connection, { type: "publish", topic: "system:alerts", event: "e", data: 1 });
    expect(socket.take()).toMatchObject([{ type: "subscribed" }, { type: "error", code: "FORBIDDEN" }]);
  });

  test("names a room by its slug and announces the user once", async () => {
    const { rig, backend } = rigWith();
    const there = rig.member("u2", "lobby");
    const { socket } = rig.connect("u1");
    await backend.subscribe("u1", "room:lobby");
    await backend.subscribe("u1", "room:lobby");
    expect(socket.take()).toMatchObject([{ type: "subscribed", roomSlug: "lobby", userCount: 2 }]);
    expect(types(there.socket)).toEqual(["user_joined"]);
  });

  test("skips connections that have as many topics as they may, and gives these nothing", async () => {
    const { rig, backend } = rigWith({ maxTopicsPerConnection: 1 });
    const full = rig.member("u1", "lobby");
    const free = rig.connect("u1");
    full.socket.take();
    expect(await backend.subscribe("u1", "conversation:7")).toEqual({ subscribed: 1, skipped: 1 });
    expect(full.socket.take()).toEqual([]);
    expect(full.connection.grants).toBeNull();
    expect(types(free.socket)).toEqual(["subscribed"]);
  });

  test("works with a broker elsewhere", async () => {
    const { rig, backend } = rigWith({}, late);
    const { socket } = rig.connect("u1");
    await rig.settle();
    socket.take();
    expect(await backend.subscribe("u1", "conversation:7")).toEqual({ subscribed: 1, skipped: 0 });
    expect(types(socket)).toEqual(["subscribed"]);
  });

  test("that fails leaves nothing granted", async () => {
    let isAway = false;
    const { rig, backend } = rigWith({}, (broker) => ({
      ...passing(broker),
      enter: (entrances, use) =>
        isAway ? Promise.reject(new ProtocolError("UNAVAILABLE")) : broker.enter(entrances, use),
    }));
    const { connection } = rig.connect("u1");
    isAway = true;
    expect(await codeOf(backend.subscribe("u1", "conversation:7"))).toBe("UNAVAILABLE");
    expect(connection.grants).toBeNull();
  });

  test("to what is sent to a user is refused: that is nobody else's", async () => {
    const { backend } = rigWith();
    expect(await codeOf(backend.subscribe("u1", "user:u2"))).toBe("BAD_REQUEST");
  });
});

describe("unsubscribing a user", () => {
  test("takes its connections out of the topic and takes back what they were given", async () => {
    const { rig, backend } = rigWith();
    const { socket, connection } = rig.connect("u1");
    rig.connect("u1");
    await backend.subscribe("u1", "conversation:7");
    socket.take();
    expect(backend.unsubscribe("u1", "conversation:7")).toBe(2);
    expect(backend.unsubscribe("u1", "conversation:7")).toBe(0);
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: "conversation:7", code: "REVOKED" }]);
    rig.receive(connection, { type: "subscribe", topic: "conversation:7" });
    expect(socket.take()).toMatchObject([{ type: "error", code: "FORBIDDEN" }]);
    expect(rig.hub.rooms.size).toBe(0);
  });
});

function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "no failure",
    (error: unknown) => (error instanceof ProtocolError ? error.code : error),
  );
}
