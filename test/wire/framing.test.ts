import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { expectServed } from "../support/bystander.ts";
import {
  BROKEN_CLOSES,
  BROKEN_FRAMES,
  BROKEN_TEXTS,
  HUGE_LENGTHS,
  hex,
  TAKEN_BY_UWS,
} from "../support/hostile-frames.ts";
import { type EchoServer, startEcho } from "../support/echo.ts";
import { RawPeer } from "../support/peer.ts";
import { rowsFor } from "../support/on-bun.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** Frames that RFC 6455 forbids, or that are allowed and meant to hurt. Every one leaves the other connections served. */

const MIB = 1_048_576;

let server: EchoServer;
let bystander: RawPeer;
let peer: RawPeer;

beforeEach(async () => {
  server = await startEcho();
  bystander = await RawPeer.open(server.port);
  peer = await RawPeer.open(server.port, {}, { autoClose: false });
});

afterEach(async () => {
  await expectServed(bystander);
  expect((await server.state()).failures).toEqual([]);
  peer.destroy();
  bystander.destroy();
  await server.stop();
});

/** The connection ends; a close frame, if one came, has one of the codes; nothing reached the application. */
async function expectEnded(attacker: RawPeer, codes: readonly number[]): Promise<void> {
  await attacker.ended();
  expect([...codes, 1006]).toContain((await attacker.closed()).code);
  expect((await server.state()).received).toBe(0);
}

describe("ends the connection with 1002, delivering nothing, for", () => {
  test.each(rowsFor("frames", TAKEN_BY_UWS, BROKEN_FRAMES))("%s", async (_what, bytes) => {
    peer.writeRaw(hex(bytes));
    await expectEnded(peer, [1002]);
  });
});

describe("ends the connection for", () => {
  test.each(HUGE_LENGTHS)("%s, from the header alone", async (_what, bytes) => {
    const before = process.memoryUsage().rss;
    const attackers = await Promise.all(Array.from({ length: 50 }, () => RawPeer.open(server.port)));
    for (const attacker of attackers) attacker.writeRaw(hex(bytes));
    for (const attacker of attackers) await expectEnded(attacker, [1009, 1002]);
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * MIB);
  });
});

describe("a length in a longer form than it needs", () => {
  test.each([
    ["2 bytes", 2],
    ["8 bytes", 8],
  ] as const)("of %s is read like the short form", async (_what, lengthBytes) => {
    peer.frame({ opcode: OPCODE.text, payload: "hello", lengthBytes });
    expect(await peer.next()).toBe("hello");
  });
});

describe("the message limit", () => {
  test("passes a message of exactly its size, whole and in fragments", async () => {
    const text = "m".repeat(65_536);
    peer.text(text);
    expect(await peer.next()).toBe(text);
    peer.frame({ opcode: OPCODE.text, fin: false, payload: text.slice(0, 30_000) });
    peer.frame({ opcode: OPCODE.continuation, payload: text.slice(30_000) });
    expect(await peer.next()).toBe(text);
  });

  test("ends the connection with 1009 for one byte more", async () => {
    peer.text("m".repeat(65_537));
    await expectEnded(peer, [1009]);
  });

  test("ends the connection with 1009 for fragments that are one byte more together", async () => {
    peer.frame({ opcode: OPCODE.text, fin: false, payload: "m".repeat(32_768) });
    peer.frame({ opcode: OPCODE.continuation, payload: "m".repeat(32_769) });
    await expectEnded(peer, [1009]);
  });

  test("ends the connection for a flood of fragments of one byte", async () => {
    const fragment = encodeFrame({ opcode: OPCODE.continuation, fin: false, payload: "x" });
    peer.frame({ opcode: OPCODE.text, fin: false, payload: "x" });
    peer.writeRaw(Buffer.concat(Array.from({ length: 66_000 }, () => fragment)));
    await expectEnded(peer, [1009]);
  });
});

test("empty fragments without end hold no memory and stop nobody", async () => {
  const batch = Buffer.concat(Array.from({ length: 20_000 }, () => hex("00 80 00000000")));
  peer.writeRaw(hex("01 80 00000000"));
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 10; i++) {
    peer.writeRaw(batch);
    await expectServed(bystander);
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(50 * MIB);
  expect(peer.pendingMessages).toBe(0);
});

test("the pongs for a flood of pings from a peer that reads nothing are bounded", async () => {
  peer.pause();
  const ping = encodeFrame({ opcode: OPCODE.ping, payload: "p".repeat(125) });
  const batch = Buffer.concat(Array.from({ length: 8_000 }, () => ping));
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20; i++) {
    if (!peer.isEnded && peer.unwrittenBytes < 4 * MIB) peer.writeRaw(batch);
    await expectServed(bystander);
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
});

describe("pings and pongs", () => {
  test("a pong that nobody asked for changes nothing", async () => {
    peer.pong("unsolicited");
    await expectServed(peer);
  });

  test.each([0, 1, 125])("a ping of %d bytes comes back byte for byte", async (length) => {
    const payload = Buffer.from(Uint8Array.from({ length }, (_, i) => 255 - i));
    peer.ping(payload);
    expect(await peer.nextFrame()).toEqual({ fin: true, opcode: OPCODE.pong, payload });
  });

  test("pings between the fragments of a message are answered before it", async () => {
    peer.frame({ opcode: OPCODE.text, fin: false, payload: "hel" });
    peer.ping("mid");
    peer.frame({ opcode: OPCODE.continuation, payload: "lo" });
    expect((await peer.nextFrame()).opcode).toBe(OPCODE.pong);
    expect(await peer.next()).toBe("hello");
  });
});

describe("a close frame", () => {
  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
    "with code %d is answered with it",
    async (code) => {
      peer.close(code, "bye");
      expect(IS_UWS ? [code, 1005] : [code]).toContain((await peer.closed()).code);
      await peer.ended();
    },
  );

  test("without a code is answered, and the connection ended", async () => {
    peer.close(null);
    expect([1000, 1005]).toContain((await peer.closed()).code);
    await peer.ended();
  });

  test.each([0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])(
    "with code %d, which must not be sent, ends the connection with 1002",
    async (code) => {
      peer.close(code);
      await expectEnded(peer, IS_UWS ? [1002, 1005] : [1002]);
    },
  );

  test.each(BROKEN_CLOSES)("%s ends the connection", async (_what, bytes) => {
    peer.writeRaw(hex(bytes));
    await expectEnded(peer, IS_UWS ? [1002, 1005, 1007] : [1002, 1007]);
  });

  test("is the last that is heard: data behind it is ignored", async () => {
    peer.writeRaw(hex("88 82 00000000 03e8 81 81 00000000 61"));
    await peer.ended();
    expect((await server.state()).received).toBe(0);
  });
});

describe("text that is no UTF-8 ends the connection with 1007 and is not delivered", () => {
  test.each(BROKEN_TEXTS)("%s", async (_what, bytes) => {
    peer.writeRaw(hex(bytes));
    await expectEnded(peer, [1007]);
  });

  test("but a character split over fragments is whole", async () => {
    peer.writeRaw(hex("01 82 00000000 f09f 80 82 00000000 9880"));
    expect(await peer.next()).toBe("😀");
  });
});

test("frames that arrive byte by byte are put together", async () => {
  for (const byte of encodeFrame({ opcode: OPCODE.text, payload: "drip é" })) peer.writeRaw(Uint8Array.of(byte));
  expect(await peer.next()).toBe("drip é");
});

describe("bytes come back as they were sent", () => {
  test.each([1, 125, 126, 65_535, 65_536])("%d of them, also from inside a larger buffer", async (length) => {
    const all = Buffer.alloc(length + 20, 0xee);
    const part = all.subarray(10, 10 + length);
    for (let i = 0; i < length; i++) part[i] = (i * 31) & 255;
    peer.binary(part);
    expect(await peer.next()).toEqual(part);
  });
});

test("JSON in a binary frame and bytes in a text frame keep the kind of their frame", async () => {
  peer.binary(Buffer.from('{"type":"ping"}'));
  expect(await peer.next()).toEqual(Buffer.from('{"type":"ping"}'));
  // MessagePack of {"a":1}: its first byte alone is no UTF-8.
  peer.frame({ opcode: OPCODE.text, payload: hex("81 a1 61 01") });
  await peer.ended();
  expect([1007, 1006]).toContain((await peer.closed()).code);
});
