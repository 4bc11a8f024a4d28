import { afterEach, expect, test } from "bun:test";
import { NodeProcess } from "../support/node-process.ts";
import { token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** The memory of a node whose clients stop reading: bounded by what may wait for all of them, and free for the next. */

const MIB = 1_048_576;
const COUNT = 120;
const MAX_TOTAL_BYTES = 16 * MIB;
/** Of 16 KB each: 4 MB for a member wait in the kernel, the rest would in the node: 1.4 GB without a bound. */
const MESSAGES = 1_000;
/** What comes between two looks, and garbage that a busy machine did not collect yet. */
const SLACK = 700 * MIB;

let node: NodeProcess;
let peers: RawPeer[] = [];

afterEach(async () => {
  for (const peer of peers) peer.destroy();
  await node.stop();
});

async function member(sub: string): Promise<RawPeer> {
  const peer = await RawPeer.open(node.port, { path: `/ws?token=${token({ sub })}` });
  peers.push(peer);
  peer.send({ type: "join_room", roomSlug: "r" });
  await peer.jsonOfType("room_joined");
  return peer;
}

async function ended(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${node.port}/metrics`)).text();
  return Number(/^tautline_slow_consumers_total (\d+)$/m.exec(text)?.[1]);
}

test("many members that stop reading are ended, the others get everything, and the next as many take no more memory", async () => {
  peers = [];
  node = await NodeProcess.start({
    ...{
      MESSAGES_PER_SECOND: "100000",
      MESSAGE_BURST: "100000",
      MAX_CONNECTIONS_PER_USER: "1000",
      LOG_LEVEL: "silent",
    },
    // One of them might have as much as all together.
    ...{ MAX_UNSENT_BYTES: String(MAX_TOTAL_BYTES), MAX_TOTAL_UNSENT_BYTES: String(MAX_TOTAL_BYTES) },
    ...{ PING_INTERVAL_MS: "200", PONG_TIMEOUT_MS: "60000" },
  });
  const [sender, reader] = [await member("sender"), await member("reader")];
  const big = { type: "publish", roomSlug: "r", event: "big", data: "x".repeat(16_000) };
  let offset = 0;

  /** The most memory that the node held meanwhile. */
  async function storm(): Promise<number> {
    const slow = await Promise.all(Array.from({ length: COUNT }, () => member("slow")));
    for (const peer of slow) peer.pause();
    let mostBytes = 0;
    const last = offset + MESSAGES;
    while (offset < last) {
      sender.sendAll(Array.from({ length: 10 }, () => big));
      for (let sent = 0; sent < 10; sent += 1) {
        offset += 1;
        await sender.jsonOfType("published");
        expect(await reader.jsonOfType("big")).toMatchObject({ offset });
      }
      mostBytes = Math.max(mostBytes, node.residentBytes);
    }
    for (const peer of slow) peer.destroy();
    return mostBytes;
  }

  const beforeBytes = node.residentBytes;
  const first = await storm();
  expect(await ended()).toBeGreaterThan(COUNT / 2);
  const second = await storm();
  expect(first - beforeBytes).toBeLessThan(MAX_TOTAL_BYTES + SLACK);
  expect(second - beforeBytes).toBeLessThan(MAX_TOTAL_BYTES + SLACK);
}, 60_000);
