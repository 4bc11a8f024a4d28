import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FaultProxy } from "./fault-proxy.ts";
import { along, arrives, BOTH, bytesOf, ProxyRig } from "./proxy-rig.ts";
import { Random } from "./random.ts";
import { TcpEnd, type TcpServer } from "./tcp-ends.ts";

/** What passes through the proxy, and what ends connections. */

let rig: ProxyRig;
let server: TcpServer;
let proxy: FaultProxy;

beforeEach(async () => {
  rig = await ProxyRig.start();
  ({ server, proxy } = rig);
});

afterEach(() => rig.stop());

describe("without a fault", () => {
  test("bytes pass in both directions at once, complete and in order, to a reader that is slower", async () => {
    const ends = await rig.pair();
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
      const ends = await rig.pair();
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
    const [from, to] = along(await rig.pair(), direction);
    from.socket.resetAndDestroy();
    await to.until(() => to.isClosed);
    expect(to.errorCode).toBe("ECONNRESET");
  });

  test("who comes while the server is down is reset", async () => {
    await server.stop();
    const refused = await rig.client();
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
        const ends = await rig.client();
        await ends.until(() => ends.isClosed || ends.hasEnded);
      } else {
        const ends = await rig.pair();
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
    const ends = await rig.pair();
    proxy.cutAfter(1_000_000, "toClient");
    ends.client.socket.pause();
    ends.client.socket.write(bytesOf(500_000));
    ends.server.socket.write(bytesOf(3_000_000));
    ends.client.socket.resume();
    await ends.client.until(() => ends.client.hasEnded);
    expect(ends.client.received.equals(bytesOf(3_000_000).subarray(0, 1_000_000))).toBe(true);
  });

  test("counts from where an open connection is, and from the beginning of a new one", async () => {
    const ends = await rig.pair();
    await arrives(ends, "toServer", bytesOf(100));
    proxy.cutAfter(10, "toServer");
    ends.client.socket.write(bytesOf(50));
    const later = await rig.pair();
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
    const pairs = [await rig.pair(), await rig.pair(), await rig.pair()];
    proxy.cutAll();
    for (const end of pairs.flatMap(({ client: one, server: other }) => [one, other])) {
      await end.until(() => end.hasEnded || end.isClosed);
    }
    await rig.roundTrip();
  });

  test("are reset: both sides know it by the error", async () => {
    const ends = await rig.pair();
    proxy.reset();
    for (const end of [ends.client, ends.server]) {
      await end.until(() => end.isClosed);
      expect(end.errorCode).toBe("ECONNRESET");
    }
    expect(proxy.connections).toBe(0);
  });

  test("that are new are refused by a reset while the open ones go on", async () => {
    const ends = await rig.pair();
    proxy.refuse();
    const refused = await rig.client();
    await refused.until(() => refused.isClosed);
    expect(refused.errorCode).toBe("ECONNRESET");
    await arrives(ends, "toServer", bytesOf(100));
    proxy.heal();
    await rig.roundTrip();
    expect(server.ends).toHaveLength(2);
  });

  test("end with the proxy, also those that its faults hold", async () => {
    const ends = await rig.pair();
    proxy.stall();
    const held = await rig.client();
    proxy.blackhole();
    const silent = await rig.client();
    await proxy.stop();
    for (const end of [ends.client, ends.server, held, silent]) await end.until(() => end.hasEnded || end.isClosed);
    expect(proxy.connections).toBe(0);
  });
});

describe("dropped replies", () => {
  test("let requests pass, swallow what comes back, and end the connection then", async () => {
    const ends = await rig.pair();
    proxy.dropReplies();
    await arrives(ends, "toServer", bytesOf(5_000));
    expect(ends.client.hasEnded).toBe(false);
    ends.server.socket.write("done");
    await ends.client.until(() => ends.client.hasEnded);
    await ends.server.until(() => ends.server.hasEnded || ends.server.isClosed);
    expect([ends.client.receivedBytes, proxy.droppedBytes("toClient")]).toEqual([0, 4]);
  });
});

describe("a fault for some", () => {
  test("meets the connections that its predicate chooses, open ones and new ones", async () => {
    const pairs = [await rig.pair(), await rig.pair()];
    proxy.stall({ only: (index) => index % 2 === 1, direction: "toServer" });
    pairs.push(await rig.pair(), await rig.pair());
    for (const { client: end } of pairs) end.socket.write("x");
    await pairs[0]?.server.until(() => pairs[0]?.server.receivedBytes === 1);
    await pairs[2]?.server.until(() => pairs[2]?.server.receivedBytes === 1);
    await rig.roundTrip();
    expect(pairs.map(({ server: end }) => end.receivedBytes)).toEqual([1, 0, 1, 0]);
    proxy.heal();
    for (const { server: end } of pairs) await end.until(() => end.receivedBytes === 1);
  });

  test("meets the share that the seed chooses, the same ones in every run", async () => {
    const chosen = async (seed: string): Promise<boolean[]> => {
      const own = await FaultProxy.start({ to: { port: server.port }, random: new Random(seed) });
      const ends: TcpEnd[] = [];
      for (let n = 0; n < 40; n += 1) ends.push(await TcpEnd.connect(own.port));
      rig.clients.push(...ends);
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
