import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Direction } from "./flow.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { Random } from "./random.ts";
import { TcpEnd, TcpServer } from "./tcp-ends.ts";

/** Bytes that tell their place, so that a lost, doubled or moved one is seen. */
const bytesOf = (length: number, first = 0): Buffer => {
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, (_, index) =>
    Math.imul(first + index, 2_654_435_761),
  );
  return Buffer.from(words.buffer, 0, length);
};

let server: TcpServer;
let proxy: FaultProxy;
const clients: TcpEnd[] = [];

beforeEach(async () => {
  server = await TcpServer.start();
  proxy = await FaultProxy.start({ to: { port: server.port } });
});

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await proxy.stop();
  await server.stop();
});

async function client(): Promise<TcpEnd> {
  const end = await TcpEnd.connect(proxy.port);
  clients.push(end);
  return end;
}

interface Pair {
  readonly client: TcpEnd;
  readonly server: TcpEnd;
}

async function pair(): Promise<Pair> {
  return { client: await client(), server: await server.next() };
}

/** Sender and receiver of a direction. */
const along = (ends: Pair, direction: Direction): readonly [from: TcpEnd, to: TcpEnd] =>
  direction === "toServer" ? [ends.client, ends.server] : [ends.server, ends.client];

/** Another pair whose bytes have passed since: what was to come to others has come. */
async function roundTrip(): Promise<void> {
  const ends = await pair();
  ends.client.socket.write("there");
  await ends.server.until(() => ends.server.receivedBytes === 5);
  ends.server.socket.write("and back");
  await ends.client.until(() => ends.client.receivedBytes === 8);
  ends.client.socket.destroy();
}

async function arrives(ends: Pair, direction: Direction, bytes: Buffer): Promise<void> {
  const [from, to] = along(ends, direction);
  const before = to.receivedBytes;
  from.socket.write(bytes);
  await to.until(() => to.receivedBytes >= before + bytes.length);
  expect(to.received.subarray(before).equals(bytes)).toBe(true);
}

const BOTH = ["toServer", "toClient"] as const;

describe("without a fault", () => {
  test("bytes pass in both directions at once, complete and in order, to a reader that is slower", async () => {
    const ends = await pair();
    const [up, down] = [bytesOf(3_000_000), bytesOf(3_000_000, 1_000_000)];
    ends.server.socket.pause();
    ends.client.socket.write(up);
    ends.server.socket.write(down);
    await ends.client.until(() => ends.client.receivedBytes === down.length);
    ends.server.socket.resume();
    await ends.server.until(() => ends.server.receivedBytes === up.length);
    expect([ends.client.received.equals(down), ends.server.received.equals(up)]).toEqual([true, true]);
    expect(BOTH.map((direction) => proxy.passedBytes(direction))).toEqual([up.length, down.length]);
    expect(BOTH.map((direction) => proxy.droppedBytes(direction))).toEqual([0, 0]);
  });

  test.each(BOTH)(
    "the end of a stream passes behind its bytes, and the other direction goes on: %s",
    async (direction) => {
      const ends = await pair();
      const [from, to] = along(ends, direction);
      from.socket.end(bytesOf(500_000));
      await to.until(() => to.hasEnded);
      expect(to.receivedBytes).toBe(500_000);
      expect(from.hasEnded).toBe(false);
      to.socket.end(bytesOf(1_000, 500_000));
      await from.until(() => from.isClosed);
      expect(from.received.equals(bytesOf(1_000, 500_000))).toBe(true);
      await to.until(() => to.isClosed);
      expect(proxy.connections).toBe(0);
    },
  );

  test.each(BOTH)("a reset passes: %s", async (direction) => {
    const [from, to] = along(await pair(), direction);
    from.socket.resetAndDestroy();
    await to.until(() => to.isClosed);
    expect(to.errorCode).toBe("ECONNRESET");
  });

  test("who comes while the server is down is reset", async () => {
    await server.stop();
    const refused = await client();
    await refused.until(() => refused.isClosed);
    expect(refused.errorCode).toBe("ECONNRESET");
    expect(proxy.connections).toBe(0);
  });
});

describe("a cut after n bytes", () => {
  test.each(BOTH)("lets exactly n pass, whatever n is and however they are written: %s", async (direction) => {
    const sent = bytesOf(1_000);
    for (let n = 0; n <= 200; n += 1) {
      proxy.cutAfter(n, direction);
      if (n === 0) {
        const ends = await client();
        await ends.until(() => ends.isClosed || ends.hasEnded);
      } else {
        const ends = await pair();
        const [from, to] = along(ends, direction);
        // In pieces of 1 to 60 bytes, so that cuts fall at and between the ends of pieces.
        for (let at = 0, piece = 1; at < sent.length; at += piece, piece = (at % 60) + 1) {
          from.socket.write(sent.subarray(at, at + piece));
        }
        await to.until(() => to.hasEnded);
        expect(to.received.equals(sent.subarray(0, n))).toBe(true);
        await from.until(() => from.hasEnded || from.isClosed);
        to.socket.destroy();
        from.socket.destroy();
      }
      proxy.heal();
    }
  });

  test("of a megabyte loses none of it, though the receiver reads late and the sender goes on", async () => {
    const ends = await pair();
    proxy.cutAfter(1_000_000, "toClient");
    ends.client.socket.pause();
    ends.client.socket.write(bytesOf(500_000));
    ends.server.socket.write(bytesOf(3_000_000));
    ends.client.socket.resume();
    await ends.client.until(() => ends.client.hasEnded);
    expect(ends.client.received.equals(bytesOf(3_000_000).subarray(0, 1_000_000))).toBe(true);
  });

  test("counts from where an open connection is, and from the beginning of a new one", async () => {
    const ends = await pair();
    await arrives(ends, "toServer", bytesOf(100));
    proxy.cutAfter(10, "toServer");
    ends.client.socket.write(bytesOf(50));
    const later = await pair();
    later.client.socket.write(bytesOf(50));
    for (const [{ server: end }, bytes] of [
      [ends, 110],
      [later, 10],
    ] as const) {
      await end.until(() => end.hasEnded);
      expect(end.receivedBytes).toBe(bytes);
    }
  });
});

describe("connections", () => {
  test("are all ended at once, at both sides; later ones are served", async () => {
    const pairs = [await pair(), await pair(), await pair()];
    proxy.cutAll();
    for (const end of pairs.flatMap(({ client: one, server: other }) => [one, other])) {
      await end.until(() => end.hasEnded || end.isClosed);
    }
    await roundTrip();
  });

  test("are reset: both sides know it by the error", async () => {
    const ends = await pair();
    proxy.reset();
    for (const end of [ends.client, ends.server]) {
      await end.until(() => end.isClosed);
      expect(end.errorCode).toBe("ECONNRESET");
    }
    expect(proxy.connections).toBe(0);
  });

  test("that are new are refused by a reset while the open ones go on", async () => {
    const ends = await pair();
    proxy.refuse();
    const refused = await client();
    await refused.until(() => refused.isClosed);
    expect(refused.errorCode).toBe("ECONNRESET");
    await arrives(ends, "toServer", bytesOf(100));
    proxy.heal();
    await roundTrip();
    expect(server.ends).toHaveLength(2);
  });

  test("end with the proxy, also those that its faults hold", async () => {
    const ends = await pair();
    proxy.stall();
    const held = await client();
    proxy.blackhole();
    const silent = await client();
    await proxy.stop();
    for (const end of [ends.client, ends.server, held, silent]) await end.until(() => end.hasEnded || end.isClosed);
    expect(proxy.connections).toBe(0);
  });
});

describe("a black hole", () => {
  test.each(BOTH)(
    "in one direction swallows bytes, ends and resets of it; the other goes on: %s",
    async (direction) => {
      const other = direction === "toServer" ? "toClient" : "toServer";
      const [ending, resetting, open] = [await pair(), await pair(), await pair()];
      proxy.blackhole({ direction, only: (index) => index < 3 });
      along(ending, direction)[0].socket.end("last words");
      along(resetting, direction)[0].socket.write("lost");
      along(resetting, direction)[0].socket.resetAndDestroy();
      along(open, direction)[0].socket.write("lost too");
      await arrives(ending, other, bytesOf(50_000));
      await arrives(open, other, bytesOf(50_000));
      await roundTrip();
      for (const ends of [ending, resetting, open]) {
        const [, to] = along(ends, direction);
        expect([to.receivedBytes, to.hasEnded, to.isClosed]).toEqual([0, false, false]);
      }
      expect(proxy.droppedBytes(direction)).toBe("last words".length + "lost".length + "lost too".length);
    },
  );

  test("takes new connections, of which the server hears nothing", async () => {
    proxy.blackhole({ only: (index) => index === 0 });
    const silent = await client();
    silent.socket.write("hello?");
    await roundTrip();
    expect([silent.hasEnded, silent.isClosed, server.ends.length]).toEqual([false, false, 1]);
  });

  test("that is lifted resets the connections which have lost something, and the others go on", async () => {
    const [lossy, quiet] = [await pair(), await pair()];
    proxy.blackhole();
    const asking = await client();
    const waiting = await client();
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
      const ends = await pair();
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
    const ends = await pair();
    const [from, to] = along(ends, direction);
    proxy.stall({ direction, only: (index) => index === 0 });
    from.socket.resetAndDestroy();
    await roundTrip();
    expect(to.isClosed).toBe(false);
    proxy.heal();
    await to.until(() => to.isClosed);
    expect(to.errorCode).toBe("ECONNRESET");
  });
});

describe("a half close", () => {
  test.each(BOTH)("ends one direction for its receiver alone, and the other goes on: %s", async (direction) => {
    const ends = await pair();
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

describe("dropped replies", () => {
  test("let requests pass, swallow what comes back, and end the connection then", async () => {
    const ends = await pair();
    proxy.dropReplies();
    await arrives(ends, "toServer", bytesOf(5_000));
    expect(ends.client.hasEnded).toBe(false);
    ends.server.socket.write("done");
    await ends.client.until(() => ends.client.hasEnded);
    await ends.server.until(() => ends.server.hasEnded || ends.server.isClosed);
    expect([ends.client.receivedBytes, proxy.droppedBytes("toClient")]).toEqual([0, 4]);
  });
});

describe("a slow line", () => {
  test("with delay and jitter keeps the order and the end; what was on its way when it is healed comes at once", async () => {
    const ends = await pair();
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
    const ends = await pair();
    proxy.bandwidth(400_000, { direction: "toServer" });
    const bytes = bytesOf(100_000);
    ends.client.socket.end(bytes);
    await ends.server.until(() => ends.server.hasEnded);
    expect(ends.server.received.equals(bytes)).toBe(true);
  });

  test("holds a bounded part of what waits", async () => {
    const ends = await pair();
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

describe("a fault for some", () => {
  test("meets the connections that its predicate chooses, open ones and new ones", async () => {
    const pairs = [await pair(), await pair()];
    proxy.stall({ only: (index) => index % 2 === 1, direction: "toServer" });
    pairs.push(await pair(), await pair());
    for (const { client: end } of pairs) end.socket.write("x");
    await pairs[0]?.server.until(() => pairs[0]?.server.receivedBytes === 1);
    await pairs[2]?.server.until(() => pairs[2]?.server.receivedBytes === 1);
    await roundTrip();
    expect(pairs.map(({ server: end }) => end.receivedBytes)).toEqual([1, 0, 1, 0]);
    proxy.heal();
    for (const { server: end } of pairs) await end.until(() => end.receivedBytes === 1);
  });

  test("meets the share that the seed chooses, the same ones in every run", async () => {
    const chosen = async (seed: string): Promise<boolean[]> => {
      const own = await FaultProxy.start({ to: { port: server.port }, random: new Random(seed) });
      const ends: TcpEnd[] = [];
      for (let n = 0; n < 40; n += 1) ends.push(await TcpEnd.connect(own.port));
      clients.push(...ends);
      for (let n = 0; n < 40; n += 1) (await server.next()).socket.write("x");
      await Promise.all(ends.map((end) => end.until(() => end.receivedBytes === 1)));
      own.cutAfter(1, "toClient", { share: 0.25 });
      for (const { socket } of server.ends) if (!socket.destroyed) socket.write("yz");
      await Promise.all(ends.map((end) => end.until(() => end.receivedBytes === 3 || end.hasEnded)));
      await own.stop();
      return ends.map((end) => end.receivedBytes === 2);
    };
    const first = await chosen("a");
    const count = first.filter(Boolean).length;
    expect(count > 3 && count < 20).toBe(true);
    expect(await chosen("a")).toEqual(first);
    expect(await chosen("b")).not.toEqual(first);
  });
});

/** For what no socket of the test tells. */
async function waitFor(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}
