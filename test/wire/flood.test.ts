import { afterEach, beforeEach, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { HUGE_LENGTHS, hex } from "../support/hostile-frames.ts";
import { NodeProcess } from "../support/node-process.ts";
import { token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** Floods at their full size, against a node in a process of its own: its memory stays bounded and others are served meanwhile. */

const MIB = 1_048_576;

let node: NodeProcess;
let bystander: RawPeer;

async function connect(sub: string): Promise<RawPeer> {
  const peer = await RawPeer.open(node.port, { path: `/ws?token=${token({ sub })}` });
  await peer.jsonOfType("connected");
  return peer;
}

beforeEach(async () => {
  node = await NodeProcess.start({
    ...{ HANDSHAKES_PER_SECOND: "10000", HANDSHAKE_BURST: "10000", MAX_CONNECTIONS_PER_USER: "1000" },
    ...{ MESSAGES_PER_SECOND: "1000000", MESSAGE_BURST: "1000000", LOG_LEVEL: "silent" },
  });
  bystander = await connect("bystander");
});

afterEach(async () => {
  await expectUndisturbed(bystander);
  expect(node.isRunning).toBe(true);
  bystander.destroy();
  await node.stop();
});

/** Sends so many copies while the peer's connection lasts, never more than the kernel takes, and looks after the bystander. */
async function flood(peer: RawPeer, frame: Uint8Array, count: number): Promise<number> {
  const PER_BATCH = 10_000;
  const batch = Buffer.concat(Array.from({ length: PER_BATCH }, () => frame));
  let mostBytes = 0;
  for (let sent = 0; sent < count && !peer.isEnded; sent += PER_BATCH) {
    peer.writeRaw(batch);
    while (peer.unwrittenBytes > 0 && !peer.isEnded) await expectUndisturbed(bystander);
    await expectUndisturbed(bystander);
    mostBytes = Math.max(mostBytes, node.residentBytes);
  }
  return mostBytes;
}

test("500 sockets that announce huge messages are ended from the header alone, and take no memory", async () => {
  const growth: number[] = [];
  const round = async (bytes: string): Promise<void> => {
    const peers = await Promise.all(Array.from({ length: 500 }, () => connect("attacker")));
    const before = node.residentBytes;
    for (const peer of peers) peer.writeRaw(hex(bytes));
    await Promise.all(peers.map((peer) => peer.ended()));
    for (const peer of peers) expect([1002, 1006, 1009]).toContain((await peer.closed()).code);
    await expectUndisturbed(bystander);
    growth.push(node.residentBytes - before);
  };
  for (const [, bytes] of HUGE_LENGTHS) await round(bytes);
  expect(Math.max(...growth)).toBeLessThan(20 * MIB);
}, 30_000);

test("a million empty fragments hold no memory", async () => {
  const peer = await connect("attacker");
  peer.writeRaw(hex("01 80 00000000"));
  const before = node.residentBytes;
  const most = await flood(peer, hex("00 80 00000000"), 1_000_000);
  expect(most - before).toBeLessThan(50 * MIB);
  expect(peer.pendingMessages).toBe(0);
  peer.destroy();
}, 30_000);

test("a million fragments of one byte end the connection at the limit of a message", async () => {
  const peer = await connect("attacker");
  peer.frame({ opcode: OPCODE.text, fin: false, payload: "{" });
  const before = node.residentBytes;
  const most = await flood(peer, hex("00 81 00000000 20"), 1_000_000);
  await peer.ended();
  expect([1009, 1006]).toContain((await peer.closed()).code);
  expect(most - before).toBeLessThan(50 * MIB);
}, 30_000);

test("the pongs for a million pings of 125 bytes, of which none is read, are bounded", async () => {
  const peer = await connect("attacker");
  peer.pause();
  const before = node.residentBytes;
  const most = await flood(peer, encodeFrame({ opcode: OPCODE.ping, payload: "p".repeat(125) }), 1_000_000);
  expect(most - before).toBeLessThan(50 * MIB);
  peer.destroy();
}, 60_000);
