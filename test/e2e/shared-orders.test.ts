import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** Tickets, revocations and changed permissions of two nodes over one Redis. */

describe.skipIf(REDIS.path === null)(`two nodes over one Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let nodes: TestNode[];
  let a: TestNode;
  let b: TestNode;

  async function started(nodeId: string): Promise<TestNode> {
    const node = await TestNode.start({ NODE_ID: nodeId, BROKER_URL: redis.url });
    nodes.push(node);
    return node;
  }

  beforeEach(async () => {
    nodes = [];
    redis = await TestRedis.start(["--appendonly", "yes", "--appendfsync", "always"]);
    [a, b] = [await started("node-a"), await started("node-b")];
  });

  afterEach(async () => {
    for (const node of nodes) await node.stop();
    await redis.stop();
  });

  async function ordered(node: TestNode, method: string, path: string, body?: unknown): Promise<[number, unknown]> {
    const headers: Record<string, string> = { Authorization: `Bearer ${token({ sub: "backend", role: "admin" })}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const response = await node.http(path, init);
    return [response.status, await response.json()];
  }

  async function ticketFrom(node: TestNode, claims: Record<string, unknown>): Promise<string> {
    const headers = { Authorization: `Bearer ${token(claims)}` };
    const response = await node.http("/api/ws/ticket", { method: "POST", headers });
    expect(response.status).toBe(201);
    const { ticket } = (await response.json()) as { ticket: string };
    return ticket;
  }

  async function statusOf(node: TestNode, query: string): Promise<number> {
    const peer = await node.peer();
    return (await peer.upgrade({ path: `/ws?${query}` })).status;
  }

  /** Whether a connection may join a topic of conversations, by its answer. */
  async function joins(peer: RawPeer): Promise<unknown> {
    peer.send({ type: "subscribe", topic: "conversation:1", id: "q" });
    for (;;) {
      const { id, code } = await peer.json();
      if (id === "q") return code ?? "OK";
    }
  }

  const refused = (node: TestNode, jwt: string) => async () => (await statusOf(node, `token=${jwt}`)) === 401;

  test("a ticket of one opens one connection on the other, with all that its token says", async () => {
    const ticket = await ticketFrom(a, {
      sub: 7,
      username: "ada",
      roles: ["user", "x"],
      topics: { "conversation:1": ["read"] },
    });
    const peer = await b.upgraded({ path: `/ws?ticket=${ticket}` });
    expect(await peer.jsonOfType("connected")).toMatchObject({
      user: { id: 7, username: "ada", roles: ["user", "x"] },
    });
    peer.send({ type: "subscribe", topic: "conversation:1" });
    expect(await peer.jsonOfType("subscribed")).toBeDefined();
    expect([await statusOf(a, `ticket=${ticket}`), await statusOf(b, `ticket=${ticket}`)]).toEqual([401, 401]);
  });

  test("a ticket is good for one of fifty handshakes that come to both at once", async () => {
    const ticket = await ticketFrom(a, {});
    const statuses = await Promise.all(
      Array.from({ length: 50 }, (_, n) => statusOf(n % 2 === 0 ? a : b, `ticket=${ticket}`)),
    );
    expect(statuses.filter((status) => status === 101)).toHaveLength(1);
  });

  test("what one is told to revoke is closed and refused by the other, and in its audit log", async () => {
    const jwt = token({ sub: "ada" });
    const [onA, onB] = [await a.connect("ada"), await b.connect("ada")];
    const bob = await b.connect("bob");
    expect(await ordered(a, "POST", "/api/tokens/revoke", { sub: "ada" })).toEqual([200, { closed: 2 }]);
    for (const peer of [onA, onB]) expect(await peer.closed()).toEqual({ code: 4003, reason: "REVOKED" });
    expect(await statusOf(a, `token=${jwt}`)).toBe(401);
    expect(await statusOf(b, `token=${jwt}`)).toBe(401);
    bob.send({ type: "ping" });
    expect(await bob.jsonOfType("pong")).toBeDefined();
    const records = (await b.auditAfterStop()).filter(({ event }) => event === "token.revoked");
    expect(records).toMatchObject([
      { by: "node", orderedOn: "node-a", nodeId: "node-b", ofUser: "ada", connections: 1, level: "high" },
    ]);
  });

  test("permissions that one is told of hold on the other, for live and later connections, until they are deleted", async () => {
    const claims = { topics: { "conversation:1": ["read"] } };
    const live = await b.connect("ada", claims);
    expect(await joins(live)).toBe("OK");
    const path = "/api/users/ada/permissions";
    expect(await ordered(a, "PUT", path, { topics: {} })).toEqual([200, { connections: 0, lost: 0 }]);
    expect(await live.jsonOfType("unsubscribed")).toMatchObject({ topic: "conversation:1", code: "FORBIDDEN" });
    expect(await joins(live)).toBe("FORBIDDEN");
    expect(await joins(await b.connect("ada", claims))).toBe("FORBIDDEN");
    expect((await ordered(b, "DELETE", path))[0]).toBe(200);
    expect(await joins(await b.connect("ada", claims))).toBe("OK");
    const onA = await a.connect("ada", claims);
    await until(async () => (await joins(onA)) === "OK");
  });

  test("what was ordered holds after both have been started again", async () => {
    const jwt = token({ jti: "j1" });
    await ordered(a, "POST", "/api/tokens/revoke", { jti: "j1" });
    await ordered(b, "PUT", "/api/users/ada/permissions", { topics: {} });
    for (const node of nodes.splice(0)) await node.stop();
    [a, b] = [await started("node-a"), await started("node-b")];
    for (const node of [a, b]) {
      expect(await statusOf(node, `token=${jwt}`)).toBe(401);
      expect(await joins(await node.connect("ada", { topics: { "conversation:1": ["read"] } }))).toBe("FORBIDDEN");
    }
  });

  test("what was ordered holds after Redis has lost everything, and when it is started again with what it has on disk", async () => {
    const [one, two] = [token({ jti: "j1" }), token({ jti: "j2" })];
    await ordered(a, "POST", "/api/tokens/revoke", { jti: "j1" });
    await until(refused(b, one));
    await redis.command("FLUSHALL");
    await redis.kill();
    await redis.start();
    await until(async () => (await ordered(b, "POST", "/api/tokens/revoke", { jti: "j2" }))[0] === 200);
    await until(refused(a, two));
    await until(async () => (await redis.command("HLEN", "tautline:revocations:data")) === 2);
    const c = await started("node-c");
    expect([await statusOf(c, `token=${one}`), await statusOf(c, `token=${two}`)]).toEqual([401, 401]);
  });

  test("while Redis is away nobody comes in, tickets and orders are 503, and requests go by what each node knows", async () => {
    const revoked = token({ jti: "j1", role: "admin" });
    await ordered(a, "POST", "/api/tokens/revoke", { jti: "j1" });
    await until(refused(b, revoked));
    const live = await b.connect("ada");
    const ticket = await ticketFrom(a, {});
    await redis.kill();
    await until(async () => (await ordered(a, "POST", "/api/tokens/revoke", { jti: "j2" }))[0] === 503);
    expect((await ordered(b, "PUT", "/api/users/ada/permissions", { roles: [] }))[0]).toBe(503);
    expect((await ordered(b, "DELETE", "/api/users/ada/permissions"))[0]).toBe(503);
    const headers = { Authorization: `Bearer ${token()}` };
    expect((await a.http("/api/ws/ticket", { method: "POST", headers })).status).toBe(503);
    for (const node of [a, b]) {
      expect(await statusOf(node, `ticket=${ticket}`)).toBe(503);
      expect(await statusOf(node, `token=${token()}`)).toBe(503);
      const asked = (jwt: string) => node.http("/ws/stats", { headers: { Authorization: `Bearer ${jwt}` } });
      expect([(await asked(revoked)).status, (await asked(token({ role: "admin" }))).status]).toEqual([401, 200]);
    }
    live.send({ type: "ping" });
    expect(await live.jsonOfType("pong")).toBeDefined();
    // Redis has it on disk, and nobody has spent it.
    await redis.start();
    await until(async () => (await statusOf(b, `ticket=${ticket}`)) === 101);
    expect(await statusOf(b, `token=${revoked}`)).toBe(401);
  });

  test("a node that starts while Redis is away lets nobody in until it knows what was revoked", async () => {
    const revoked = token({ jti: "j1" });
    await ordered(a, "POST", "/api/tokens/revoke", { jti: "j1" });
    await redis.kill();
    const c = await started("node-c");
    const ready = await c.http("/ready");
    const { reasons } = (await ready.json()) as { reasons: string[] };
    expect(ready.status).toBe(503);
    expect(reasons).toEqual(expect.arrayContaining(["revocations", "permissions"]));
    expect([await statusOf(c, `token=${token()}`), await statusOf(c, `token=${revoked}`)]).toEqual([503, 503]);
    expect((await ordered(c, "POST", "/api/users/ada/disconnect", {}))[0]).toBe(503);
    await redis.start();
    await until(async () => (await statusOf(c, `token=${token()}`)) === 101);
    expect(await statusOf(c, `token=${revoked}`)).toBe(401);
  });
});
