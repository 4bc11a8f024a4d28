import { afterEach, describe, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** Dead peers are ended, living ones are not; and a connection lives no longer than its token. */

/** The time-out is longer than a busy machine keeps a living peer from answering. */
const FAST = { PING_INTERVAL_MS: "100", PONG_TIMEOUT_MS: "1500", PRESENCE_GRACE_MS: "0" };
const MORE_PINGS_THAN_FIT = 18;
const NO_RATE = { MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000" };

let node: TestNode;

afterEach(() => node.stop());

describe("a peer that never answers a ping", () => {
  test("is ended although it is sent messages all the time, and its presence ends with it", async () => {
    node = await TestNode.start({ ...FAST, ...NO_RATE });
    const sender = await node.member("sender", "r");
    const upgrade = { path: `/ws?token=${token({ sub: "dead" })}` };
    using dead = await RawPeer.open(node.port, upgrade, { autoPong: false, autoClose: false });
    dead.send({ type: "join_room", roomSlug: "r" });
    await sender.jsonOfType("user_joined");

    let published = 0;
    let left: unknown = null;
    while (left === null) {
      sender.send({ type: "chat_message", roomSlug: "r", message: `${published}` });
      published += 1;
      // The sender's own copy and the acknowledgement: never more than one message under way.
      for (let copies = 0; copies < 2;) {
        const frame = await sender.json();
        if (frame["type"] === "user_left") left = frame["data"];
        else copies += 1;
      }
    }
    expect(left).toEqual({ userId: "dead", username: "dead", roomSlug: "r" });
    expect([4090, 1006]).toContain((await dead.closed()).code);
    expect(dead.receivedPings).toBeGreaterThan(0);
    expect(published).toBeGreaterThan(10);
    expect((await node.metrics()).get("tautline_heartbeats_lost_total")).toBe(1);
    const audit = await node.auditAfterStop();
    const closed = { event: "connection.closed", userId: "dead", code: 4090 };
    expect(audit).toContainEqual(expect.objectContaining(closed));
  });

  test("lives when it sends something of its own, a ping frame or a message", async () => {
    node = await TestNode.start({ ...FAST, ...NO_RATE });
    const open = (sub: string) =>
      RawPeer.open(node.port, { path: `/ws?token=${token({ sub })}` }, { autoPong: false, autoClose: false });
    using pinging = await open("pinging");
    using talking = await open("talking");
    using silent = await open("silent");
    while (!silent.isEnded) {
      const before = pinging.receivedPongs;
      pinging.ping();
      talking.send({ type: "pong" });
      await pinging.until("a pong", () => (pinging.receivedPongs > before || pinging.isEnded ? true : undefined));
    }
    expect([pinging.isEnded, talking.isEnded]).toEqual([false, false]);
  });
});

test("the bytes of a message that never ends are no sign of life", async () => {
  node = await TestNode.start(FAST);
  const upgrade = { path: `/ws?token=${token()}` };
  using slow = await RawPeer.open(node.port, upgrade, { autoPong: false, autoClose: false });
  // A masked text of 60,000 bytes is announced.
  slow.writeRaw(Buffer.from("81feea6000000000", "hex"));
  const drip = setInterval(() => slow.writeRaw(" "), 20);
  await slow.ended().finally(() => clearInterval(drip));
  expect([4090, 1006]).toContain((await slow.closed()).code);
  expect((await node.metrics()).get("tautline_heartbeats_lost_total")).toBe(1);
});

test("a peer that answers pings lives on", async () => {
  node = await TestNode.start(FAST);
  const ada = await node.connect("ada");
  await ada.until("so many pings", () => (ada.receivedPings >= MORE_PINGS_THAN_FIT ? true : undefined));
  expect(ada.isEnded).toBe(false);
  expect((await node.metrics()).get("tautline_heartbeats_lost_total")).toBe(0);
});

describe("with ?heartbeat=message", () => {
  test("pings are messages, and a pong message answers them", async () => {
    node = await TestNode.start(FAST);
    const ada = await node.upgraded({ path: `/ws?heartbeat=message&token=${token()}` });
    await ada.jsonOfType("connected");
    for (let pings = 0; pings < MORE_PINGS_THAN_FIT; pings += 1) {
      expect(await ada.json()).toEqual({ type: "ping", timestamp: expect.any(Number) });
      ada.send({ type: "pong", timestamp: Date.now() });
    }
    expect(ada.receivedPings).toBe(0);
    expect(ada.isEnded).toBe(false);
  });

  test("a peer that does not answer them is ended", async () => {
    node = await TestNode.start(FAST);
    const ada = await node.upgraded({ path: `/ws?heartbeat=message&token=${token()}` });
    expect((await ada.closed()).code).toBe(4090);
  });
});

describe("the end of a token", () => {
  const ending = (inS: number) => ({ exp: Math.floor(Date.now() / 1_000) + inS });

  test("is announced, then closes the connection 4001 TOKEN_EXPIRED", async () => {
    node = await TestNode.start({ PING_INTERVAL_MS: "200", CLOCK_TOLERANCE_S: "0" });
    const claims = ending(3);
    const ada = await node.connect("ada", claims);
    expect(await ada.json()).toEqual({
      type: "auth_expiring",
      expiresAt: claims.exp * 1_000,
      timestamp: expect.any(Number),
    });
    expect(await ada.closed()).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
    expect(Date.now()).toBeGreaterThanOrEqual(claims.exp * 1_000);
  });

  test("does not come when the token is refreshed, which answers with the new end and the topics", async () => {
    node = await TestNode.start({ PING_INTERVAL_MS: "200", CLOCK_TOLERANCE_S: "0" });
    const ada = await node.connect("ada", { ...ending(3), follows: ["x", "y"] });
    const unrefreshed = await node.connect("bob", ending(3));
    await ada.jsonOfType("auth_expiring");
    ada.send({ type: "join_room", roomSlug: "r" });
    await ada.jsonOfType("room_joined");
    const later = ending(3_600);
    ada.send({ type: "refresh", id: 1, token: token({ sub: "ada", ...later, follows: ["y", "z"] }) });
    expect(await ada.json()).toMatchObject({ type: "unsubscribed", topic: "followers:x", code: "FORBIDDEN" });
    expect(await ada.json()).toEqual({
      type: "auth_refreshed",
      id: 1,
      expiresAt: later.exp * 1_000,
      kept: ["user:ada", "followers:y", "room:r"],
      lost: ["followers:x"],
      gained: ["followers:z"],
      timestamp: expect.any(Number),
    });
    expect((await unrefreshed.closed()).code).toBe(4001);
    ada.send({ type: "ping" });
    expect(await ada.json()).toMatchObject({ type: "pong" });
  });

  test("comes as before when the refresh is refused", async () => {
    node = await TestNode.start({ PING_INTERVAL_MS: "200", CLOCK_TOLERANCE_S: "0" });
    const ada = await node.connect("ada", ending(3));
    await ada.jsonOfType("auth_expiring");
    ada.send({ type: "refresh", token: token({ sub: "bob" }) });
    expect(await ada.json()).toMatchObject({ type: "error", code: "FORBIDDEN" });
    ada.send({ type: "refresh", token: "a.b.c", id: "r" });
    expect(await ada.json()).toMatchObject({ type: "error", code: "AUTH_FAILED", id: "r" });
    expect(await ada.closed()).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
  });

  test("in sixty days or in the year 9999 closes nothing and announces nothing", async () => {
    node = await TestNode.start({ ...FAST });
    const far = await node.connect("far", ending(60 * 86_400));
    const year9999 = await node.connect("y", { exp: Math.floor(Date.UTC(9999, 11, 31) / 1_000) });
    for (const peer of [far, year9999]) {
      await peer.until("six pings", () => (peer.receivedPings >= 6 ? true : undefined));
      expect([peer.isEnded, peer.pendingMessages]).toEqual([false, 0]);
    }
  });
});
