import { afterEach, expect, test } from "bun:test";
import { expectServed } from "../support/bystander.ts";
import { startEcho } from "../support/echo.ts";
import { TestNode, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** Requests and frames that never end: each has an absolute end, however its bytes are dripped. */

const drips: ReturnType<typeof setInterval>[] = [];
afterEach(() => {
  for (const timer of drips.splice(0)) clearInterval(timer);
});

function drip(peer: RawPeer, bytes: Uint8Array, everyMs: number): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at === bytes.length || peer.isEnded) return;
    peer.writeRaw(bytes.subarray(at, at + 1));
    at += 1;
  }, everyMs);
  drips.push(timer);
}

test("a dripped handshake is ended by its own deadline, and others are served meanwhile", async () => {
  const echo = await startEcho();
  using bystander = await RawPeer.open(echo.port);
  const peers = await Promise.all(Array.from({ length: 40 }, () => RawPeer.connect(echo.port)));
  const request = Buffer.from("GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n");
  for (const peer of peers) drip(peer, request, 1_000);
  await expectServed(bystander);
  await Promise.all(peers.map((peer) => peer.ended(20_000)));
  await expectServed(bystander);
  await echo.stop();
}, 25_000);

test("frames that never end are no sign of life: the heartbeat ends their 200 connections", async () => {
  const node = await TestNode.start({
    ...{ PING_INTERVAL_MS: "200", PONG_TIMEOUT_MS: "1500", MAX_CONNECTIONS_PER_USER: "1000" },
    ...{ HANDSHAKES_PER_SECOND: "1000", HANDSHAKE_BURST: "1000" },
  });
  try {
    const bystander = await node.member("bob", "r");
    // A pong of its own would lie in the middle of the frame.
    const request = { path: `/ws?token=${token({ sub: "ada" })}` };
    const opened = Array.from({ length: 200 }, () => RawPeer.open(node.port, request, { autoPong: false }));
    const peers = await Promise.all(opened);
    const header = [0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0];
    const frame = Uint8Array.from([...header, ...Array.from({ length: 60_000 }, () => 0x61)]);
    for (const peer of peers) drip(peer, frame, 100);
    await Promise.all(peers.map((peer) => peer.ended(10_000)));
    expect((await node.metrics()).get("tautline_heartbeats_lost_total")).toBe(200);
    bystander.send({ type: "ping" });
    expect(await bystander.jsonOfType("pong")).toMatchObject({ type: "pong" });
    for (const peer of peers) peer.destroy();
  } finally {
    await node.stop();
  }
}, 20_000);
