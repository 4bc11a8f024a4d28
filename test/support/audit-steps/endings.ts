import { encodeFrame } from "../frames.ts";
import type { Step } from "../audit-stage.ts";

/** Limits, and the ends of connections. */

export const ENDINGS: readonly Step[] = [
  [
    "more than the rate, until the connection ends",
    async (s) => {
      const flood = Buffer.concat(
        Array.from({ length: 140 }, () => encodeFrame({ opcode: 1, payload: '{"type":"ping"}' })),
      );
      const closed = await s.leave("bob", 4029, (peer) => peer.writeRaw(flood));
      return [s.of("bob", "rate.limited", "warning", "RATE_LIMITED"), closed];
    },
  ],
  [
    "a client that leaves with a code of its own",
    async (s) => [await s.leave("eve", 3_456, (peer) => peer.close(3_456, "bye"))],
  ],
  ["a client that is gone", async (s) => [await s.leave("eve's second", 1_006, (peer) => peer.destroy())]],
  [
    "a broken frame",
    async (s) => {
      const accepted = await s.connect("hal", "hal");
      return [accepted, await s.leave("hal", 1_006, (peer) => peer.writeRaw(Buffer.from("8380000000", "hex")))];
    },
  ],
  [
    "a token that ends",
    async (s) => {
      const accepted = await s.connect("ivy", "ivy", {
        path: `/ws?token=${s.token("ivy", { exp: Math.floor(s.clock.now() / 1_000) + 10 })}`,
      });
      s.clock.advance(20_000);
      return [accepted, await s.leave("ivy", 4_001, (peer) => peer.closed())];
    },
  ],
  [
    "the drain, whose connection leaves its topics with it",
    async (s) => {
      return [await s.leave("ada", 1_012, () => s.node.drain())];
    },
  ],
  [
    "a handshake behind the drain",
    async (s) => {
      return [await s.refused(503, {}, s.record("connection.refused", "warning", "DRAINING"))];
    },
  ],
];
