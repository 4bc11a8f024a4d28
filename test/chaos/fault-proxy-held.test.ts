import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { FaultProxy } from "./fault-proxy.ts";
import { along, arrives, BOTH, bytesOf, ProxyRig, waitFor } from "./proxy-rig.ts";
import type { TcpServer } from "./tcp-ends.ts";

/** Faults that hold back, slow down or swallow what passes, while the connection stays open. */

let rig: ProxyRig;
let server: TcpServer;
let proxy: FaultProxy;

beforeEach(async () => {
  rig = await ProxyRig.start();
  ({ server, proxy } = rig);
});

afterEach(() => rig.stop());

describe("a black hole", () => {
  test.each(BOTH)(
    "in one direction swallows bytes, ends and resets of it; the other goes on: %s",
    async (direction) => {
      const other = direction === "toServer" ? "toClient" : "toServer";
      const [ending, resetting, open] = [await rig.pair(), await rig.pair(), await rig.pair()];
      proxy.blackhole({ direction, only: (index) => index < 3 });
      along(ending, direction)[0].socket.end("last words");
      along(resetting, direction)[0].socket.write("lost");
      along(resetting, direction)[0].socket.resetAndDestroy();
      along(open, direction)[0].socket.write("lost too");
      await arrives(ending, other, bytesOf(50_000));
      await arrives(open, other, bytesOf(50_000));
      await rig.roundTrip();
      for (const ends of [ending, resetting, open]) {
        const [, to] = along(ends, direction);
        expect([to.receivedBytes, to.hasEnded, to.isClosed]).toEqual([0, false, false]);
      }
      expect(proxy.droppedBytes(direction)).toBe("last words".length + "lost".length + "lost too".length);
    },
  );

  test("takes new connections, of which the server hears nothing", async () => {
    proxy.blackhole({ only: (index) => index === 0 });
    const silent = await rig.client();
    silent.socket.write("hello?");
    await rig.roundTrip();
    expect([silent.hasEnded, silent.isClosed, server.ends.length]).toEqual([false, false, 1]);
  });

  test("that is lifted resets the connections which have lost something, and the others go on", async () => {
    const [lossy, quiet] = [await rig.pair(), await rig.pair()];
    proxy.blackhole();
    const asking = await rig.client();
    const waiting = await rig.client();
    lossy.server.socket.write("lost");
    asking.socket.write("hello?");
    await waitFor(() => proxy.droppedBytes("toClient") === 4 && proxy.droppedBytes("toServer") === 6);
    proxy.heal();
    for (const end of [lossy.client, lossy.server, asking]) {
      await end.until(() => end.isClosed);
      expect(end.errorCode).toBe("ECONNRESET");
    }
    await arrives(quiet, "toClient", bytesOf(1_000));
    await arrives({ client: waiting, server: await server.next() }, "toServer", bytesOf(1_000));
  });
});

describe("a stalled direction", () => {
  test.each(BOTH)(
    "is not read, so that the sender's own buffers fill; once healed everything comes: %s",
    async (direction) => {
      const ends = await rig.pair();
      const [from, to] = along(ends, direction);
      proxy.stall({ direction });
      // More than the buffers of all sockets between them take.
      const bytes = bytesOf(24_000_000);
      from.socket.end(bytes);
      const other = direction === "toServer" ? "toClient" : "toServer";
      let unwritten = Number.NaN;
      // The kernel takes what it can: until it takes no more while other bytes pass.
      while (unwritten !== from.socket.writableLength) {
        unwritten = from.socket.writableLength;
        for (let round = 0; round < 20; round += 1) await arrives(ends, other, bytesOf(1_000));
      }
      expect(unwritten).toBeGreaterThan(1_000_000);
      expect([to.receivedBytes, to.hasEnded]).toEqual([0, false]);
      proxy.heal();
      await to.until(() => to.hasEnded);
      expect(to.received.equals(bytes)).toBe(true);
    },
  );

  test.each(BOTH)("keeps a reset back until it is healed: %s", async (direction) => {
    const ends = await rig.pair();
    const [from, to] = along(ends, direction);
    proxy.stall({ direction, only: (index) => index === 0 });
    from.socket.resetAndDestroy();
    await rig.roundTrip();
    expect(to.isClosed).toBe(false);
    proxy.heal();
    await to.until(() => to.isClosed);
    expect(to.errorCode).toBe("ECONNRESET");
  });
});

describe("a half close", () => {
  test.each(BOTH)("ends one direction for its receiver alone, and the other goes on: %s", async (direction) => {
    const ends = await rig.pair();
    const [from, to] = along(ends, direction);
    await arrives(ends, direction, bytesOf(100));
    proxy.halfClose(direction);
    await to.until(() => to.hasEnded);
    from.socket.write("into the void");
    await arrives(ends, direction === "toServer" ? "toClient" : "toServer", bytesOf(10_000));
    expect([to.receivedBytes, from.hasEnded]).toEqual([100, false]);
    from.socket.end();
    to.socket.end();
    await from.until(() => from.isClosed);
    await waitFor(() => proxy.connections === 0);
  });
});

describe("a slow line", () => {
  test("with delay and jitter keeps the order and the end; what was on its way when it is healed comes at once", async () => {
    const ends = await rig.pair();
    proxy.delay(1, 5);
    const bytes = bytesOf(60_000);
    for (let at = 0; at < bytes.length; at += 2_000) {
      ends.client.socket.write(bytes.subarray(at, at + 2_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ends.server.until(() => ends.server.receivedBytes === bytes.length);
    expect(ends.server.received.equals(bytes)).toBe(true);
    proxy.delay(3_600_000);
    ends.client.socket.end(bytes);
    await arrives(ends, "toClient", Buffer.alloc(0));
    proxy.heal();
    await ends.server.until(() => ends.server.hasEnded);
    expect(ends.server.received.equals(Buffer.concat([bytes, bytes]))).toBe(true);
  });

  test("of few bytes a second delivers all of them, and passes backpressure on", async () => {
    const ends = await rig.pair();
    proxy.bandwidth(400_000, { direction: "toServer" });
    const bytes = bytesOf(100_000);
    ends.client.socket.end(bytes);
    await ends.server.until(() => ends.server.hasEnded);
    expect(ends.server.received.equals(bytes)).toBe(true);
  });

  test("holds a bounded part of what waits", async () => {
    const ends = await rig.pair();
    proxy.delay(3_600_000, 0, { direction: "toServer" });
    const bytes = bytesOf(24_000_000);
    ends.client.socket.end(bytes);
    let unwritten = Number.NaN;
    while (unwritten !== ends.client.socket.writableLength) {
      unwritten = ends.client.socket.writableLength;
      for (let round = 0; round < 20; round += 1) await arrives(ends, "toClient", bytesOf(1_000));
    }
    expect(unwritten).toBeGreaterThan(1_000_000);
    proxy.heal();
    await ends.server.until(() => ends.server.hasEnded);
    expect(ends.server.received.equals(bytes)).toBe(true);
  });
});
