import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { nginxSkipReason, TestNginx } from "../support/nginx.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";

/** deploy/nginx.conf in front of a node: clients see the node through it as they would without it. */

const ROOM = "lobby";
/** What one user may send at once, for the tests that send much. */
const WIDE = { MESSAGES_PER_SECOND: "5000", MESSAGE_BURST: "5000" };
const LARGE = { MAX_MESSAGE_BYTES: "1048576", MAX_UNSENT_BYTES: "8388608" };

describe.skipIf(nginxSkipReason !== "")(`nginx${nginxSkipReason}`, () => {
  let node: TestNode;
  let nginx: TestNginx;

  beforeEach(async () => {
    const limits = { ...WIDE, ...LARGE, MAX_CONNECTIONS_PER_USER: "2" };
    node = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1", ...limits });
    nginx = await TestNginx.start(node.port);
  });

  afterEach(async () => {
    await nginx.stop();
    await node.stop();
  });

  test("takes the configuration without a warning", () => {
    const { status, said } = nginx.check();
    expect(status).toBe(0);
    expect(said).not.toMatch(/warn|emerg|alert/);
  });

  test("carries a chat between two clients over TLS", async () => {
    const ada = await nginx.member("ada", ROOM);
    const bob = await nginx.member("bob", ROOM);
    expect(await ada.jsonOfType("user_joined")).toMatchObject({ data: { username: "bob" } });
    bob.send({ type: "chat_message", roomSlug: ROOM, message: "Hello Ada", messageId: "m1" });
    expect(await bob.jsonOfType("message_sent")).toMatchObject({ messageId: "m1" });
    expect(await ada.jsonOfType("new_message")).toMatchObject({ data: { username: "bob", message: "Hello Ada" } });
  });

  test("carries a frame of a million bytes to the node, and a thousand messages of 4 KB to a client in their order", async () => {
    const ada = await nginx.member("ada", ROOM);
    const bob = await nginx.member("bob", ROOM);
    bob.send({ type: "ping", id: "large", pad: "x".repeat(1_000_000) });
    expect(await bob.jsonOfType("pong")).toMatchObject({ id: "large" });

    const texts = Array.from({ length: 1_000 }, (_, sent) => `${sent}`.padEnd(4_000, "x"));
    for (const message of texts) bob.send({ type: "chat_message", roomSlug: ROOM, message });
    const received: unknown[] = [];
    while (received.length < texts.length) received.push(Object((await ada.jsonOfType("new_message"))["data"]).message);
    expect(received).toEqual(texts);
  });

  test("passes on a refusal before the upgrade, with the node's body and headers", async () => {
    const path = `/ws?token=${token({ exp: 1 })}`;
    const answer = await nginx.refused({ path });
    const direct = await (await node.peer()).upgrade({ path });
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "TOKEN_EXPIRED" });
    const kept = [...direct.headers].filter(([name]) => !["date", "connection", "content-length"].includes(name));
    expect(kept.map(([name]) => name)).toContain("www-authenticate");
    for (const [name, values] of kept) expect([name, answer.headers.get(name)]).toEqual([name, values]);
  });

  test.each<[number, (peer: RawPeer) => Promise<void> | void]>([
    [4001, (peer) => peer.send({ type: "auth", token: "garbage" })],
    [4003, (peer) => peer.send({ type: "auth", token: token({ isActive: false }) })],
    [1009, (peer) => peer.text("x".repeat(1_048_577))],
    [
      4008,
      async (peer) => {
        for (let others = 0; others < 2; others += 1) await nginx.member("busy", ROOM);
        peer.send({ type: "auth", token: token({ sub: "busy" }) });
      },
    ],
  ])("leaves the close code %d as the node sent it", async (code, provoke) => {
    const peer = await nginx.upgraded({ path: "/" });
    await provoke(peer);
    expect((await peer.closed()).code).toBe(code);
    await peer.ended();
  });

  test("leaves the close code 4029 of a flood as the node sent it", async () => {
    const strict = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1" });
    const proxy = await TestNginx.start(strict.port);
    const peer = await proxy.member("flooder", ROOM);
    for (let sent = 0; sent < 200; sent += 1) peer.send({ type: "ping" });
    expect((await peer.closed()).code).toBe(4029);
    await proxy.stop();
    await strict.stop();
  });

  test("leaves the close code 1012 of a drain its reason, and the refusals during it theirs", async () => {
    const ada = await nginx.member("ada", ROOM);
    const drained = node.drain();
    await ada.jsonOfType("server_draining");
    const { code, reason } = await ada.closed();
    expect(code).toBe(1012);
    expect(JSON.parse(reason)["retryAfterMs"]).toBeWithin(0, 30_001);
    await drained;
    const late = await nginx.refused({ path: `/ws?token=${token()}` });
    expect([late.status, JSON.parse(late.body).code]).toEqual([503, "DRAINING"]);
    expect(late.headers.has("retry-after")).toBe(true);
  });

  test("leaves the client's own close its code", async () => {
    const ada = await nginx.member("ada", ROOM);
    ada.close(1000);
    expect((await ada.closed()).code).toBe(1000);
    await node.metricIs("tautline_connections", (count) => count === 0);
  });
});
