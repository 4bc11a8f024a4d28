import { afterAll, describe, expect, test } from "bun:test";
import type { ClientConnection, OwnMessage } from "../../src/index.ts";
import { until } from "../observe/recorded-sink.ts";
import { expectUndisturbed } from "../support/bystander.ts";
import { type Embedded, EmbeddedServers } from "../support/embedded.ts";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { SECRET, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";

/** What a client sends behind a message whose handling waits: bounded on this side, and held back on its own. */

const servers = new EmbeddedServers();
afterAll(() => servers.stop());

const NO_RATE = { jwtSecret: SECRET, messagesPerSecond: 1_000_000, messageBurst: 1_000_000 };
const PADDING = "x".repeat(30_000);

/** A server whose handling of `hang` waits for the gate. */
async function stage(
  options: object = {},
): Promise<{ server: Embedded; gate: PromiseWithResolvers<void>; seen: number[] }> {
  const gate = Promise.withResolvers<void>();
  const seen: number[] = [];
  const server = await servers.start({
    ...NO_RATE,
    ...options,
    async onMessage(_connection: ClientConnection, message: OwnMessage) {
      if (message.type === "hang") await gate.promise;
      else seen.push(Number(message["number"]));
    },
  });
  return { server, gate, seen };
}

/** The same number of unwritten bytes again and again, while the server answers others: it reads no more of this client. */
async function stopsDraining(peer: RawPeer, bystander: RawPeer): Promise<number> {
  let unwritten = -1;
  for (let same = 0; same < 20;) {
    await expectUndisturbed(bystander);
    same = peer.unwrittenBytes === unwritten ? same + 1 : 0;
    unwritten = peer.unwrittenBytes;
  }
  return unwritten;
}

describe("messages behind one that waits", () => {
  test("are left with their client when they are many, and handled in order once it goes on", async () => {
    const { server, gate, seen } = await stage();
    const peer = await server.connect(token({ sub: "a" }));
    const bystander = await server.connect(token({ sub: "b" }));
    peer.send({ type: "hang" });
    const count = 1_000;
    for (let number = 0; number < count; number += 1) peer.send({ type: "more", number, PADDING });
    // 30 MB: far more than the systems' buffers hold between them.
    expect(await stopsDraining(peer, bystander)).toBeGreaterThan(1_000_000);
    expect([seen.length, peer.isEnded]).toEqual([0, false]);
    gate.resolve();
    await until(() => seen.length === count);
    expect(seen).toEqual(Array.from({ length: count }, (_, number) => number));
    expect([peer.unwrittenBytes, peer.isEnded]).toEqual([0, false]);
  }, 30_000);

  test("over the bound end the connection 4029 with a delay: so many are read before the client can be held back", async () => {
    const { server, gate, seen } = await stage();
    const peer = await server.connect(token({ sub: "a" }));
    const bystander = await server.connect(token({ sub: "b" }));
    peer.send({ type: "hang" });
    await expectUndisturbed(bystander);
    const empty = encodeFrame({ opcode: OPCODE.text, payload: "{}" });
    peer.writeRaw(Buffer.concat(Array.from({ length: 60_000 }, () => empty)));
    const { code, reason } = await peer.closed();
    expect(code).toBe(4029);
    expect(JSON.parse(reason)).toEqual({ retryAfterMs: expect.any(Number) });
    await expectUndisturbed(bystander);
    gate.resolve();
    await expectUndisturbed(bystander);
    expect(seen).toEqual([]);
  });

  test("do not keep a client alive that is gone: held back or not, silence ends it", async () => {
    const { server, gate } = await stage({ pingIntervalMs: 100, pongTimeoutMs: 500 });
    const bystander = await server.connect(token({ sub: "b" }));
    const peer = await server.connect(token({ sub: "a" }));
    peer.send({ type: "hang" });
    for (let number = 0; number < 1_000; number += 1) peer.send({ type: "more", number, PADDING });
    expect(await stopsDraining(peer, bystander)).toBeGreaterThan(1_000_000);
    expect((await peer.closed()).code).toBeOneOf([4090, 1006]);
    await expectUndisturbed(bystander);
    gate.resolve();
  });
});
