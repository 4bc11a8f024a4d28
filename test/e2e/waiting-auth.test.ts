import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { upgradeRequest } from "../support/http.ts";
import { KeyServer } from "../support/key-server.ts";
import { shortest } from "../support/msgpack-forms.ts";
import { TestNode } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** Tokens whose check really waits: for the keys of an issuer that takes its time. */

describe("frames behind an auth that is still being checked", () => {
  let keys: KeyServer;
  let own: TestNode;
  let slow: RawPeer;

  beforeEach(async () => {
    keys = await KeyServer.start();
    own = await TestNode.start({ JWT_SECRET: null, JWKS_URL: keys.url, AUTH_DEADLINE_MS: "60000" });
    slow = await own.upgraded({ path: "/" });
  });

  afterEach(async () => {
    await own.stop();
    await keys.stop();
  });

  const bytesOf = (...frames: object[]): Buffer =>
    Buffer.concat(frames.map((frame) => encodeFrame({ opcode: OPCODE.text, payload: JSON.stringify(frame) })));
  const AUTH = () => ({ type: "auth", token: keys.token({ sub: "ada" }) });
  const JOIN = { type: "join_room", roomSlug: "r" };

  test("wait for it and are handled in their order", async () => {
    const pings = Array.from({ length: 40 }, (_, id) => ({ type: "ping", id }));
    slow.writeRaw(bytesOf(AUTH(), JOIN, { type: "chat_message", roomSlug: "r", message: "hi" }, ...pings.slice(0, 20)));
    await keys.asked;
    slow.writeRaw(bytesOf(...pings.slice(20, 30)));
    slow.ping();
    await slow.until("the pong", () => (slow.receivedPongs === 1 ? true : undefined));
    expect(slow.pendingMessages).toBe(0);
    keys.release();
    expect((await slow.json())["type"]).toBe("auth_success");
    expect((await slow.json())["type"]).toBe("room_joined");
    const rest: JsonObject[] = [];
    while (rest.length < 32) rest.push(await slow.json());
    // The member's own copy comes when the broker brings it.
    const answers = rest.filter(({ type }) => type !== "new_message");
    expect(answers.map(({ type, id }) => id ?? type)).toEqual([
      "message_sent",
      ...pings.slice(0, 30).map(({ id }) => id),
    ]);
  });

  test("are never handled when it fails", async () => {
    const text = { type: "chat_message", roomSlug: "r", message: "hi" };
    slow.writeRaw(bytesOf({ type: "auth", token: `${keys.token().slice(0, -8)}AAAAAAAA` }, JOIN, text));
    await keys.asked;
    keys.release();
    expect((await slow.json())["type"]).toBe("auth_error");
    expect((await slow.closed()).code).toBe(4001);
    expect((await own.metrics()).get('tautline_frames_in_total{type="chat_message"}') ?? 0).toBe(0);
    expect((await own.metrics()).get("tautline_topics")).toBe(0);
  });

  test("wait for a refresh too, whether it is taken or refused", async () => {
    keys.release();
    slow.send(AUTH());
    await slow.jsonOfType("auth_success");
    const exp = Math.floor(Date.now() / 1_000) + 7_200;
    const good = { type: "refresh", token: keys.token({ sub: "ada", exp }) };
    const others = { type: "refresh", token: keys.token({ sub: "bob" }), id: "x" };
    slow.writeRaw(bytesOf(good, { type: "ping", id: 1 }, others, { type: "ping", id: 2 }));
    expect(await slow.json()).toMatchObject({ type: "auth_refreshed", expiresAt: exp * 1_000 });
    expect(await slow.json()).toMatchObject({ type: "pong", id: 1 });
    expect(await slow.json()).toMatchObject({ type: "error", code: "FORBIDDEN", id: "x" });
    expect(await slow.json()).toMatchObject({ type: "pong", id: 2 });
  });

  test("are kept as they were when they are bytes, however many others come meanwhile", async () => {
    const idOf = (n: number) => `${n}`.padEnd(64, "é".repeat(16));
    const binary = (frame: object) => encodeFrame({ opcode: OPCODE.binary, payload: shortest(frame) });
    const frames = Array.from({ length: 60 }, (_, n) => binary({ type: "ping", id: idOf(n) }));
    slow.writeRaw(Buffer.concat([binary(AUTH()), ...frames]));
    await keys.asked;
    const other = await own.upgraded({ path: "/" });
    for (let n = 0; n < 9; n += 1) other.binary(shortest({ type: "ping", id: "x".repeat(64) }));
    for (let n = 0; n < 9; n += 1) expect(await other.json()).toMatchObject({ code: "AUTH_REQUIRED" });
    keys.release();
    expect((await slow.json())["type"]).toBe("auth_success");
    for (let n = 0; n < 40; n += 1) expect(await slow.json()).toMatchObject({ type: "pong", id: idOf(n) });
  });

  test("are held up to 64; with one more the connection ends 4029 with a delay", async () => {
    slow.writeRaw(bytesOf(AUTH(), ...Array.from({ length: 65 }, () => ({ type: "ping" }))));
    const { code, reason } = await slow.closed();
    expect(code).toBe(4029);
    expect(JSON.parse(reason)["retryAfterMs"]).toBeGreaterThan(0);
    keys.release();
  });

  test("are held up to 64 KiB", async () => {
    const wide = { type: "ping", pad: "a".repeat(30_000) };
    slow.writeRaw(bytesOf(AUTH(), wide, wide));
    slow.ping();
    await slow.until("the pong", () => (slow.receivedPongs === 1 ? true : undefined));
    slow.writeRaw(bytesOf(wide));
    expect((await slow.closed()).code).toBe(4029);
    keys.release();
  });

  test("leave nothing behind when the peer goes away meanwhile", async () => {
    slow.writeRaw(bytesOf(AUTH(), JOIN));
    await keys.asked;
    slow.destroy();
    await own.metricIs("tautline_connections", (count) => count === 0);
    keys.release();
    const next = await own.upgraded({ path: "/" });
    next.send(AUTH());
    await next.jsonOfType("auth_success");
    expect((await own.metrics()).get("tautline_users")).toBe(1);
    expect((await own.metrics()).get("tautline_memberships")).toBe(0);
  });

  test("of a handshake make it a 400 for the client that sent them before the 101", async () => {
    const early = await own.peer();
    early.writeRaw(upgradeRequest({ path: `/ws?token=${keys.token({ sub: "early" })}` }));
    await keys.asked;
    early.writeRaw(bytesOf(JOIN));
    await own.http("/health");
    keys.release();
    expect((await early.response()).status).toBe(IS_UWS ? 505 : 400);
    await early.ended();
    await own.metricIs("tautline_users", (count) => count === 0);
  });

  test("leave nothing behind when the peer of a waiting handshake goes away", async () => {
    for (let sent = 0; sent < 20; sent += 1) {
      const gone = await own.peer();
      gone.writeRaw(upgradeRequest({ path: `/ws?token=${keys.token({ sub: "gone" })}` }));
      if (sent === 0) await keys.asked;
      gone.destroy();
    }
    await own.http("/health");
    keys.release();
    const known = await own.upgraded({ path: `/ws?token=${keys.token({ sub: "gone" })}` });
    await known.jsonOfType("connected");
    await own.metricIs("tautline_connections", (count) => count === 2);
    // Ten are allowed: not one place is still taken by those that went away.
    for (let open = 1; open < 10; open += 1) {
      await own.upgraded({ path: `/ws?token=${keys.token({ sub: "gone", jti: `${open}` })}` });
    }
  });

  oneNode("limits")("do not let handshakes that wait together past the connections of the node", async () => {
    const small = await TestNode.start({ JWT_SECRET: null, JWKS_URL: keys.url, MAX_CONNECTIONS: "1" });
    const peers = [await small.peer(), await small.peer(), await small.peer()];
    const answers = peers.map((waiting, index) =>
      waiting.upgrade({ path: `/ws?token=${keys.token({ sub: `u${index}` })}` }),
    );
    await keys.asked;
    await small.http("/health");
    keys.release();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 101)).toHaveLength(1);
    expect(statuses.filter((status) => status === 503)).toHaveLength(2);
    await small.stop();
  });
});
