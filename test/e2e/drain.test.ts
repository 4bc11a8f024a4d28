import { afterEach, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { oneNodeSuite } from "../support/one-node.ts";
import type { RawPeer } from "../support/peer.ts";

/** The planned end of a node, step by step. */

let node: TestNode;

afterEach(() => node.stop());

const USERS = ["ada", "bob", "carol", "dave"];

oneNodeSuite("drain")("a drain", () => {
  test("goes from not ready over refusing and telling to closing, with everyone served until then", async () => {
    node = await TestNode.start({ DRAIN_DELAY_MS: "300", DRAIN_MS: "1200" });
    const members: RawPeer[] = [];
    for (const user of USERS) members.push(await node.member(user, "r"));
    const pending = await node.upgraded({ path: "/" });
    expect((await node.http("/ready")).status).toBe(200);

    await node.beginDrain();
    const drained = node.drain();

    // Not ready, still accepting.
    const notReady = await node.http("/ready");
    expect([notReady.status, await notReady.json()]).toMatchObject([503, { reasons: ["draining"] }]);
    members.push(await node.member("late", "r"));

    // Everyone who is authenticated is told; whoever comes now is refused; the listener stays open.
    const told = await Promise.all(members.map((member) => member.jsonOfType("server_draining")));
    for (const { retryAfterMs } of told) expect(retryAfterMs).toBeWithin(0, 30_001);
    const refused = await (await node.peer()).upgrade({ path: `/ws?token=${token({ sub: "new" })}` });
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, "DRAINING"]);
    expect(refused.headers.get("connection")).toEqual(["close"]);
    expect(refused.headers.has("retry-after")).toBe(true);
    expect((await node.http("/health")).status).toBe(200);

    // Whoever is still connected publishes and is acknowledged.
    const closes = [...members, pending].map((peer) => peer.closed());
    const connected = await Promise.race(members.map(acknowledged));
    expect(connected).toMatchObject({ type: "message_sent", messageId: "during" });

    for (const { code, reason } of await Promise.all(closes)) {
      expect(code).toBe(1012);
      expect(JSON.parse(reason)["retryAfterMs"]).toBeWithin(0, 30_001);
    }
    await drained;
    expect((await node.metrics()).get("tautline_connections")).toBe(0);
    for (const member of members) {
      while (member.pendingMessages > 0) expect((await member.json())["type"]).not.toBe("user_left");
    }
  });

  async function acknowledged(member: RawPeer): Promise<unknown> {
    member.send({ type: "chat_message", roomSlug: "r", message: "still here", messageId: "during" });
    try {
      return await member.jsonOfType("message_sent");
    } catch {
      return new Promise(() => undefined); // closed before: another member answers
    }
  }

  test("joins the one that runs when it is called again", async () => {
    node = await TestNode.start({ DRAIN_MS: "200" });
    for (const user of USERS) await node.connect(user);
    const first = node.drain();
    const second = node.drain();
    expect(second).toBe(first);
    await second;
    expect((await node.metrics()).get('tautline_closes_total{code="1012"}')).toBe(4);
  });

  test("of a node without connections is over at once, whatever its settings", async () => {
    node = await TestNode.start({ DRAIN_DELAY_MS: "60000", DRAIN_MS: "60000" });
    await node.drain();
    expect((await node.http("/ready")).status).toBe(503);
  });

  test("of a node with one connection waits for nobody else", async () => {
    node = await TestNode.start({ DRAIN_MS: "60000" });
    const ada = await node.connect("ada");
    await node.drain();
    expect((await ada.closed()).code).toBe(1012);
  });

  test("is over as soon as the last client has left by itself", async () => {
    node = await TestNode.start({ DRAIN_MS: "1000" });
    const peers: RawPeer[] = [];
    for (const user of USERS) peers.push(await node.connect(user));
    const drained = node.drain();
    for (const peer of peers) void peer.jsonOfType("server_draining").then(() => peer.close(1000));
    await drained;
    expect((await node.metrics()).get("tautline_connections")).toBe(0);
  });
});
