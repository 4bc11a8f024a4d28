import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { OPCODE } from "../support/frames.ts";
import {
  BROKEN_CLOSES,
  BROKEN_FRAMES,
  BROKEN_TEXTS,
  HUGE_LENGTHS,
  hex,
  TAKEN_BY_UWS,
} from "../support/hostile-frames.ts";
import { TestNode } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { rowsFor } from "../support/on-bun.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** Broken frames to a whole node, from a member of a room: its connection ends, the room hears nothing of it but that it left. */

let node: TestNode;
let bystander: RawPeer;
let peer: RawPeer;

beforeAll(async () => {
  node = await TestNode.start({
    ...{ HANDSHAKES_PER_SECOND: "1000", HANDSHAKE_BURST: "1000", JOINS_PER_SECOND: "1000", JOIN_BURST: "1000" },
    ...{ MESSAGES_PER_SECOND: "1000", MESSAGE_BURST: "1000", PRESENCE_GRACE_MS: "600000" },
  });
  bystander = await node.member("bystander", "r");
  // A second connection of the attacker, so that its user stays and the room has nothing to hear.
  await node.member("attacker", "r");
  await bystander.jsonOfType("user_joined");
});

afterAll(() => node.stop());

beforeEach(async () => {
  peer = await node.member("attacker", "r");
});

afterEach(async () => {
  peer.destroy();
  await expectUndisturbed(bystander);
  await node.metricIs("tautline_connections", (count) => count === 2);
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
});

async function expectEnded(codes: readonly number[]): Promise<void> {
  await peer.ended();
  expect([...codes, 1006]).toContain((await peer.closed()).code);
  expect(peer.pendingMessages).toBe(0);
}

describe("ends the connection with 1002 for", () => {
  test.each(rowsFor("frames", TAKEN_BY_UWS, BROKEN_FRAMES))("%s", async (_what, bytes) => {
    peer.writeRaw(hex(bytes));
    await expectEnded([1002]);
  });
});

describe("ends the connection for", () => {
  test.each(HUGE_LENGTHS)("%s, from the header alone", async (_what, bytes) => {
    peer.writeRaw(hex(bytes));
    await expectEnded([1009, 1002]);
  });

  test.each(BROKEN_CLOSES)("a close frame %s", async (_what, bytes) => {
    peer.writeRaw(hex(bytes));
    await expectEnded(IS_UWS ? [1002, 1005, 1007] : [1002, 1007]);
  });

  test.each(BROKEN_TEXTS)("a text that is %s", async (_what, bytes) => {
    peer.writeRaw(hex(bytes));
    await expectEnded([1007]);
  });

  test("a message of one byte over the limit, whole or in fragments, and none for one of exactly the limit", async () => {
    const text = (length: number) => `{"type":"ping","x":"${"m".repeat(length - 22)}"}`;
    peer.text(text(65_536));
    expect(await peer.json()).toMatchObject({ type: "pong" });
    peer.frame({ opcode: OPCODE.text, fin: false, payload: text(65_537).slice(0, 30_000) });
    peer.frame({ opcode: OPCODE.continuation, payload: text(65_537).slice(30_000) });
    await expectEnded([1009]);
  });
});

test("a chat message behind a broken frame in one packet is not delivered", async () => {
  const chat = Buffer.from('{"type":"chat_message","roomSlug":"r","message":"x"}');
  const header = Buffer.from([0x81, 0x80 | chat.length, 0, 0, 0, 0]);
  peer.writeRaw(Buffer.concat([hex("83 80 00000000"), header, chat]));
  await expectEnded([1002]);
});
