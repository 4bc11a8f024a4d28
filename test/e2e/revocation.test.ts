import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../support/clock.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import type { RawPeer } from "../support/peer.ts";
import { onBun } from "../support/on-bun.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** Tokens that end before their time, and permissions that change, against a running node. */

let node: TestNode;

beforeEach(async () => {
  node = await TestNode.start();
});
afterEach(() => node.stop());

async function order(method: string, path: string, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = { Authorization: `Bearer ${token({ sub: "backend", role: "admin" })}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
  const response = await node.http(path, init);
  expect(response.status).toBe(200);
  return response.json();
}

const revoke = (body: unknown) => order("POST", "/api/tokens/revoke", body);

async function statusOf(path: string): Promise<number> {
  const peer = await node.peer();
  return (await peer.upgrade({ path })).status;
}

describe("revoking", () => {
  test("a user closes its connections on every endpoint, refuses its tokens, and touches nobody else", async () => {
    const jwt = token({ sub: "ada" });
    const first = await node.upgraded({ path: `/ws?token=${jwt}` });
    await first.jsonOfType("connected");
    const second = await node.upgraded({ path: "/" });
    second.send({ type: "auth", token: token({ sub: "ada", jti: "2" }) });
    await second.jsonOfType("auth_success");
    const bob = await node.connect("bob");
    expect(await revoke({ sub: "ada" })).toEqual({ closed: 2 });
    for (const peer of [first, second]) expect(await peer.closed()).toEqual({ code: 4003, reason: "REVOKED" });
    expect(await statusOf(`/ws?token=${jwt}`)).toBe(401);
    const byFrame = await node.upgraded({ path: "/" });
    byFrame.send({ type: "auth", token: jwt });
    expect(await byFrame.jsonOfType("auth_error")).toMatchObject({ code: "AUTH_FAILED" });
    expect((await byFrame.closed()).code).toBe(4001);
    bob.send({ type: "ping" });
    expect(await bob.jsonOfType("pong")).toBeDefined();
  });

  test("lets the user in again with a token of a later second", async () => {
    await revoke({ sub: "ada", issuedBefore: Date.now() - 2_000 });
    const nowS = Math.floor(Date.now() / 1_000);
    expect(await statusOf(`/ws?token=${token({ sub: "ada", iat: nowS - 10 })}`)).toBe(401);
    expect(await statusOf(`/ws?token=${token({ sub: "ada", iat: nowS })}`)).toBe(101);
  });

  test("one token or session leaves the user's others alone", async () => {
    const one = await node.connect("ada", { jti: "j1", sid: "s1" });
    const two = await node.connect("ada", { jti: "j2", sid: "s1" });
    const three = await node.connect("ada", { jti: "j3", sid: "s2" });
    expect(await revoke({ jti: "j1" })).toEqual({ closed: 1 });
    expect((await one.closed()).code).toBe(4003);
    expect(await revoke({ sid: "s1" })).toEqual({ closed: 1 });
    expect((await two.closed()).code).toBe(4003);
    three.send({ type: "ping" });
    expect(await three.jsonOfType("pong")).toBeDefined();
  });

  test("makes a ticket worthless that was given out before", async () => {
    const headers = { Authorization: `Bearer ${token({ sub: "ada" })}` };
    const issue = () => node.http("/api/ws/ticket", { method: "POST", headers });
    const { ticket } = (await (await issue()).json()) as { ticket: string };
    await revoke({ sub: "ada" });
    expect(await statusOf(`/ws?ticket=${ticket}`)).toBe(401);
    expect((await issue()).status).toBe(401);
  });

  test("does not count against the address of whoever tries the token again", async () => {
    await node.stop();
    node = await TestNode.start({ AUTH_FAILURES_PER_MINUTE: "1" });
    await revoke({ sub: "ada" });
    for (const jti of ["1", "2", "3"]) expect(await statusOf(`/ws?token=${token({ sub: "ada", jti })}`)).toBe(401);
    expect(await statusOf(`/ws?token=${token({ sub: "bob" })}`)).toBe(101);
  });

  oneNode("lines")("is in the audit log with who did it, and the connections that it ended are there too", async () => {
    const ada = await node.connect("ada", { jti: "canary-jti" });
    await revoke({ jti: "canary-jti" });
    await ada.closed();
    const records = await node.auditAfterStop();
    expect(records.filter(({ event }) => event === "token.revoked")).toMatchObject([
      { level: "high", userId: "backend", by: "token", kind: "jti", connections: 1, ofUser: "ada", code: "OK" },
    ]);
    expect(records.filter(({ event }) => event === "connection.closed")).toMatchObject([{ userId: "ada", code: 4003 }]);
    expect(JSON.stringify(records)).not.toContain("canary");
  });
});

describe("a request of an administrator that goes on", () => {
  /** Its body is open when this returns: what follows is sent as chunks. */
  async function begin(path: string, type: string, claims: Record<string, unknown> = {}): Promise<RawPeer> {
    const peer = await node.peer();
    const jwt = token({ sub: "eve", role: "admin", jti: "j1", ...claims });
    const head = [`POST ${path} HTTP/1.1`, "Host: localhost", `Authorization: Bearer ${jwt}`, `Content-Type: ${type}`];
    peer.writeRaw(`${[...head, "Transfer-Encoding: chunked"].join("\r\n")}\r\n\r\n`);
    return peer;
  }

  const write = (peer: RawPeer, text: string): void => peer.writeRaw(`${text.length.toString(16)}\r\n${text}\r\n`);

  async function streaming(claims: Record<string, unknown> = {}): Promise<{ peer: RawPeer; reader: RawPeer }> {
    const reader = await node.member("reader", "r");
    const peer = await begin("/api/stream/room:r", "application/x-ndjson", claims);
    write(peer, "1\n");
    expect(await reader.jsonOfType("token")).toMatchObject({ data: 1 });
    return { peer, reader };
  }

  test.each([
    ["its token is revoked", () => revoke({ jti: "j1" }), 401, "AUTH_FAILED"],
    ["the user may publish no more", () => order("PUT", "/api/users/eve/permissions", { roles: [] }), 403, "FORBIDDEN"],
  ])("a stream publishes nothing more once %s", async (_what, end, status, code) => {
    const { peer, reader } = await streaming();
    await end();
    write(peer, "2\n");
    const answer = await peer.response();
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([status, { code, published: 1 }]);
    reader.send({ type: "ping" });
    expect((await reader.json())["type"]).toBe("pong");
  });

  (IS_UWS ? onBun("clock") : oneNode("clock"))(
    "a stream publishes nothing more once its token has ended, with the tolerance of the clocks",
    async () => {
      await node.stop();
      const clock = new FakeClock(Date.now());
      node = await TestNode.start({}, { clock });
      const { peer, reader } = await streaming({ exp: Math.floor(clock.now() / 1_000) + 10 });
      clock.advance(13_000);
      write(peer, "2\n");
      expect(await reader.jsonOfType("token")).toMatchObject({ data: 2 });
      clock.advance(3_000);
      write(peer, "3\n");
      const answer = await peer.response();
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([401, { code: "TOKEN_EXPIRED", published: 2 }]);
    },
  );

  test("an order whose body comes slowly is not carried out once its token is revoked", async () => {
    const victim = await node.connect("victim");
    const peer = await begin("/api/users/victim/disconnect", "application/json");
    write(peer, "{");
    await revoke({ jti: "j1" });
    write(peer, "}");
    peer.writeRaw("0\r\n\r\n");
    expect((await peer.response()).status).toBe(401);
    victim.send({ type: "ping" });
    expect(await victim.jsonOfType("pong")).toBeDefined();
  });
});

describe("changing permissions", () => {
  const claims = { topics: { "conversation:1": ["read", "write"] } };

  oneNode("numbers")(
    "takes a topic away at once, holds for later connections, tokens and tickets, and is taken back",
    async () => {
      const ada = await node.connect("ada", claims);
      ada.send({ type: "subscribe", topic: "conversation:1" });
      await ada.jsonOfType("subscribed");
      expect(await order("PUT", "/api/users/ada/permissions", { roles: [] })).toEqual({ connections: 1, lost: 1 });
      expect(await ada.jsonOfType("unsubscribed")).toMatchObject({ topic: "conversation:1", code: "FORBIDDEN" });
      ada.send({ type: "publish", topic: "conversation:1", event: "note", data: 1 });
      expect(await ada.jsonOfType("error")).toMatchObject({ code: "FORBIDDEN" });

      const headers = { Authorization: `Bearer ${token({ sub: "ada", ...claims })}` };
      const { ticket } = (await (await node.http("/api/ws/ticket", { method: "POST", headers })).json()) as {
        ticket: string;
      };
      for (const path of [`/ws?ticket=${ticket}`, `/ws?token=${token({ sub: "ada", ...claims })}`]) {
        const later = await node.upgraded({ path });
        expect(await later.jsonOfType("connected")).toMatchObject({ user: { roles: [], permissions: [] } });
        later.send({ type: "subscribe", topic: "conversation:1" });
        expect(await later.jsonOfType("error")).toMatchObject({ code: "FORBIDDEN" });
      }

      expect(await order("DELETE", "/api/users/ada/permissions")).toEqual({ connections: 3, lost: 0 });
      ada.send({ type: "subscribe", topic: "conversation:1" });
      expect(await ada.jsonOfType("subscribed")).toMatchObject({ topic: "conversation:1" });
    },
  );

  test("holds for connections that authenticate by their first frame", async () => {
    await order("PUT", "/api/users/ada/permissions", { roles: ["guest"] });
    const ada = await node.upgraded({ path: "/" });
    ada.send({ type: "auth", token: token({ sub: "ada", ...claims }) });
    expect(await ada.jsonOfType("auth_success")).toMatchObject({ user: { roles: ["guest"] } });
    ada.send({ type: "subscribe", topic: "conversation:1" });
    expect(await ada.jsonOfType("error")).toMatchObject({ code: "FORBIDDEN" });
  });

  test("holds for the HTTP API: an administrator that is none any more gives no orders", async () => {
    const headers = { Authorization: `Bearer ${token({ sub: "eve", role: "admin" })}` };
    const tryIt = () =>
      node.http("/api/users/eve/permissions", { method: "DELETE", headers }).then(({ status }) => status);
    expect(await tryIt()).toBe(200);
    await order("PUT", "/api/users/eve/permissions", { roles: ["user"] });
    expect(await tryIt()).toBe(403);
  });
});
