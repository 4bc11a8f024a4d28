import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Actor } from "../../src/hub/audit-trail.ts";
import type { HubRig, KeptSocket } from "../support/hub.ts";
import { hubAlone, hubsTogether, type SharingHub } from "../support/hubs.ts";
import { principal } from "../support/principal.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { RedisNodesRig } from "../support/redis-nodes.ts";

const ACTOR: Actor = { by: "key", userId: null, address: "192.0.2.9", userAgent: null };
const EVENT = { event: "news", data: 1 };

/** A connection that is in the followers' topic of `star`. */
function follower(rig: HubRig, userId: string): { readonly socket: KeptSocket } {
  const connected = rig.connect(userId);
  rig.hub.rooms.join(connected.connection, rig.hub.rooms.open("followers:star"));
  return connected;
}

test("a node that is alone answers at once, and misses nobody", () => {
  const { rig, everywhere } = hubAlone();
  rig.connect("ada");
  expect(everywhere.sendToUser("ada", EVENT)).toMatchObject({ delivered: 1, offset: 1 });
  expect(everywhere.unsubscribe("ada", "room:lobby")).toEqual({ unsubscribed: 0 });
  expect(everywhere.disconnect("ada", {}, ACTOR)).toEqual({ closed: 1 });
  const order = { kind: "sub", value: "ada", issuedBeforeMs: null, expiresAtMs: null } as const;
  expect(everywhere.revoke(order, ACTOR)).toEqual({ closed: 0 });
});

describe.skipIf(REDIS.path === null)(`what is done everywhere${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let shared: RedisNodesRig;
  let hubs: SharingHub[];

  const begin = async (count: number): Promise<SharingHub> => {
    hubs = await hubsTogether(shared, count);
    const [first] = hubs;
    if (first === undefined) throw new Error("no hub");
    return first;
  };
  const rigOf = (index: number): HubRig => {
    const hub = hubs[index];
    if (hub === undefined) throw new Error("no hub");
    return hub.rig;
  };

  beforeAll(async () => {
    redis = await TestRedis.start();
    shared = new RedisNodesRig(redis);
  });
  afterEach(() => shared.stop());
  afterAll(() => redis.stop());

  test("a user is disconnected on every node, but for the connections that are to stay, and each node records it", async () => {
    const { everywhere } = await begin(3);
    rigOf(0).connect("ada");
    const ended = rigOf(1).connect("ada");
    rigOf(1).connect("bob");
    const except = ["c9", ...Array.from({ length: 100 }, (_, n) => `other-${n}`)];
    expect(await everywhere.disconnect("ada", { code: 4321, reason: "é", except }, ACTOR)).toEqual({ closed: 2 });
    expect(ended.connection.state).toBe("gone");
    expect(rigOf(1).hub.connections.size).toBe(1);
    expect(rigOf(1).audit.filter(({ event }) => event === "user.disconnected")).toMatchObject([
      { address: "192.0.2.9", about: { by: "key", connections: 1, closeCode: 4321 } },
    ]);
    expect(rigOf(2).audit).toEqual([]);
    expect(await everywhere.disconnect("ada", { except: ["c2"] }, ACTOR)).toEqual({ closed: 0 });
  });

  test("a code that is not the application's to choose is refused, and asked of nobody", async () => {
    const { everywhere } = await begin(2);
    rigOf(1).connect("ada");
    expect(() => everywhere.disconnect("ada", { code: 1000 }, ACTOR)).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
    expect(rigOf(1).hub.connections.size).toBe(1);
  });

  test("a user is put into a topic and taken out of it on every node", async () => {
    const { everywhere } = await begin(2);
    const own = rigOf(0).connect("ada");
    const other = rigOf(1).connect("ada");
    expect(await everywhere.subscribe("ada", "conversation:7")).toEqual({ subscribed: 2, skipped: 0 });
    expect(await everywhere.unsubscribe("ada", "conversation:7")).toEqual({ unsubscribed: 2 });
    for (const { socket } of [own, other]) {
      expect(socket.take().map(({ type }) => type)).toEqual(["subscribed", "unsubscribed"]);
    }
    await expect(everywhere.subscribe("ada", "user:bob")).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });

  test("what is sent to a user counts the connections on all nodes", async () => {
    const { everywhere } = await begin(3);
    for (const index of [0, 1, 1]) rigOf(index).connect("ada");
    expect(await everywhere.sendToUser("ada", EVENT)).toMatchObject({ delivered: 3, offset: 1 });
    expect(await everywhere.sendToUser("nobody", EVENT)).toMatchObject({ delivered: 0 });
  });

  test("whether a user is served by the topic of the followers is known over all nodes", async () => {
    const { everywhere } = await begin(2);
    const here = follower(rigOf(0), "both");
    rigOf(1).connect("both");
    const fan = follower(rigOf(0), "fan");
    follower(rigOf(1), "fan");
    const sent = await everywhere.sendToFollowers("star", EVENT, ["both", "fan", "away", "fan"]);
    expect(sent).toMatchObject({ delivered: 4 });
    expect(sent.nodesMissing).toBeUndefined();
    // "both" does not follow on the other node, so that its user is told as well; "fan" does on both.
    expect(here.socket.take()).toMatchObject([{ topic: "followers:star" }, { topic: "user:both" }]);
    expect(fan.socket.take()).toMatchObject([{ topic: "followers:star" }]);
    expect(rigOf(0).hub.broker.position("user:away")).toMatchObject({ offset: 1 });
  });

  test("where a node does not say who follows there, nobody is left out", async () => {
    const { everywhere } = await begin(1);
    await shared.start("old");
    const fan = follower(rigOf(0), "fan");
    const sent = await everywhere.sendToFollowers("star", EVENT, ["fan"]);
    expect(sent).toMatchObject({ nodesMissing: ["old"] });
    expect(fan.socket.take()).toMatchObject([
      { topic: "followers:star", messageId: sent.messageId },
      { topic: "user:fan", messageId: sent.messageId },
    ]);
  });

  test("thousands of users who are named fit into the questions", async () => {
    const { everywhere } = await begin(2);
    const to = Array.from({ length: 2_500 }, (_, n) => `user-${n}-${"x".repeat(100)}`);
    for (const id of [to[0], to[1_000], to[2_499]]) rigOf(1).connect(id ?? "");
    follower(rigOf(1), "fan");
    expect(await everywhere.sendToFollowers("star", EVENT, to)).toMatchObject({ delivered: 4 });
  });

  test("the connections that a revocation closes are counted on all nodes, those of later tokens not", async () => {
    const { everywhere } = await begin(2);
    const nowMs = rigOf(0).clock.now();
    rigOf(0).connect("ada", undefined, principal({ id: "ada", jti: "j1", issuedAtMs: nowMs }));
    rigOf(1).connect("ada", undefined, principal({ id: "ada", jti: "j2", issuedAtMs: nowMs }));
    rigOf(1).connect("ada", undefined, principal({ id: "ada", jti: "j3", issuedAtMs: nowMs + 5_000 }));
    const about = { issuedBeforeMs: null, expiresAtMs: null };
    expect(await everywhere.revoke({ kind: "jti", value: "j2", ...about }, ACTOR)).toEqual({ closed: 1 });
    expect(await everywhere.revoke({ kind: "sub", value: "ada", ...about }, ACTOR)).toEqual({ closed: 2 });
  });
});
