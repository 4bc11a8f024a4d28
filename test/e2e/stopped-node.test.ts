import { afterEach, beforeEach, expect, test } from "bun:test";
import { NodeProcess } from "../support/node-process.ts";
import { TestNode, token } from "../support/node.ts";
import { type PeerOptions, RawPeer } from "../support/peer.ts";

/** A process that stands still for a while and goes on, as a machine does that is overcommitted or moved. */

/** The time-out is longer than a busy machine keeps a living peer from answering. */
const FAST = { PING_INTERVAL_MS: "100", PONG_TIMEOUT_MS: "1500", PRESENCE_GRACE_MS: "0", CLOCK_TOLERANCE_S: "0" };
const MORE_PINGS_THAN_FIT = 22;

const DEAD: PeerOptions = { autoPong: false, autoClose: false };

let still: NodeProcess;
/** A node of the same settings that never stops: what it does is the measure of time. */
let running: TestNode;
let peers: RawPeer[];

beforeEach(async () => {
  peers = [];
  [still, running] = await Promise.all([NodeProcess.start(FAST), TestNode.start(FAST)]);
});

afterEach(async () => {
  for (const peer of peers) peer.destroy();
  await Promise.all([still.stop(), running.stop()]);
});

async function member(
  claims: { readonly sub: string; readonly exp?: number },
  options: PeerOptions = {},
): Promise<RawPeer> {
  const peer = await RawPeer.open(still.port, { path: `/ws?token=${token(claims)}` }, options);
  peers.push(peer);
  peer.send({ type: "join_room", roomSlug: "r" });
  await peer.jsonOfType("room_joined");
  return peer;
}

/** So many pings of the other node: longer than the time-out of a silent peer. */
async function pings(count: number): Promise<void> {
  const peer = await running.connect("time");
  await peer.until(`${count} pings`, () => (peer.receivedPings >= count ? true : undefined));
}

/** Until a token that ends then has ended for certain: the other node has closed a connection with one. */
async function tokenEnded(exp: number): Promise<void> {
  const peer = await running.connect("time", { exp });
  expect(await peer.closed()).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
}

test("the living stay, and are served at once, however long it was; the dead are ended in the time of one more silence", async () => {
  const alive = await member({ sub: "alive" });
  const writer = await member({ sub: "writer" });
  still.signal("SIGSTOP");
  await pings(MORE_PINGS_THAN_FIT);
  still.signal("SIGCONT");
  const gone = await member({ sub: "gone" }, DEAD);
  await pings(5);
  writer.send({ type: "chat_message", roomSlug: "r", message: "after" });
  expect(await alive.jsonOfType("new_message")).toMatchObject({ data: { message: "after" } });
  expect([4090, 1006]).toContain((await gone.closed()).code);
  expect(await alive.jsonOfType("user_left")).toMatchObject({ data: { userId: "gone" } });
  expect([alive.isEnded, writer.isEnded]).toEqual([false, false]);
});

test("who was dead before is ended in the time of one more silence", async () => {
  const alive = await member({ sub: "alive" });
  const dead = await member({ sub: "dead" }, DEAD);
  await alive.jsonOfType("user_joined");
  still.signal("SIGSTOP");
  await pings(MORE_PINGS_THAN_FIT);
  still.signal("SIGCONT");
  expect(await alive.jsonOfType("user_left")).toMatchObject({ data: { userId: "dead" } });
  expect([4090, 1006]).toContain((await dead.closed()).code);
  expect(alive.isEnded).toBe(false);
});

test("a token that ended meanwhile gets its connection closed before anything is delivered to it", async () => {
  const writer = await member({ sub: "writer" });
  const control = await member({ sub: "control" });
  const exp = Math.floor(Date.now() / 1_000) + 2;
  const ended = await Promise.all(Array.from({ length: 8 }, (_, index) => member({ sub: `u${index}`, exp })));
  still.signal("SIGSTOP");
  // They are there when it goes on, before any timer of its own.
  for (let sent = 0; sent < 20; sent += 1) writer.send({ type: "chat_message", roomSlug: "r", message: `${sent}` });
  await tokenEnded(exp);
  still.signal("SIGCONT");
  for (let sent = 0; sent < 20; sent += 1) await control.jsonOfType("new_message");
  for (const peer of ended) {
    expect(await peer.closed()).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
    while (peer.pendingMessages > 0) expect((await peer.json()).type).not.toBe("new_message");
  }
});
