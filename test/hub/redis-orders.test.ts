import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { revoke } from "../../src/hub/revocation.ts";
import { claims, signed } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { RedisHub, untilTold } from "../support/redis-hub.ts";
import { principal } from "../support/principal.ts";
import { BACKEND } from "../support/actor.ts";

describe.skipIf(REDIS.path === null)(`an order that comes while Redis is waited for${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let hub: RedisHub;

  beforeEach(async () => {
    redis = await TestRedis.start();
    hub = await RedisHub.start(redis);
  });

  afterEach(async () => {
    hub.stop();
    await redis.stop();
  });

  test("to disconnect a user ends the connections too that wait to be greeted", async () => {
    const open = await hub.connect("ada");
    redis.pause();
    const waiting = hub.rig.arrive("/ws", principal({ id: "ada", username: "ada" }));
    const other = hub.rig.arrive("/ws", principal({ id: "bob", username: "bob" }));
    expect(hub.backend.disconnect("ada", { code: 4100, reason: "bye" }, BACKEND)).toBe(2);
    redis.resume();
    expect([open, waiting].map(({ socket }) => socket.closed)).toEqual([
      { code: 4100, reason: "bye" },
      { code: 4100, reason: "bye" },
    ]);
    await untilTold(other.socket, "connected");
    expect(waiting.socket.take()).toEqual([]);
    expect(hub.rig.hub.users.size).toBe(1);
  });

  test("to revoke a token ends what it granted, although another token stood in for it that came to nothing", async () => {
    const topic = "conversation:42";
    const grants = { sub: "7", topics: { [topic]: ["read"] } };
    const [first, second] = [signed(claims({ ...grants, jti: "one" })), signed(claims({ ...grants, jti: "two" }))];
    const ada = await hub.connect("7");
    await hub.ask(ada, { type: "subscribe", topic, token: first });
    expect(ada.connection.rooms).toHaveLength(1);
    redis.pause();
    const recover = { offset: 0, epoch: "e" };
    hub.rig.receive(ada.connection, { type: "subscribe", topic, token: second, recover });
    void revoke(hub.rig.hub, { kind: "jti", value: "one", issuedBeforeMs: null, expiresAtMs: null }, BACKEND);
    const told = await untilTold(ada.socket, "unsubscribed");
    expect(told).toMatchObject([
      { type: "unsubscribed", topic, code: "REVOKED" },
      { type: "error", code: "UNAVAILABLE" },
    ]);
    expect(ada.connection.rooms).toEqual([]);
    expect(ada.connection.grants).toBeNull();
    redis.resume();
  });
});
