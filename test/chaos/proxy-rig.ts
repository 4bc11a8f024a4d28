import { expect } from "bun:test";
import type { Direction } from "./flow.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { TcpEnd, TcpServer } from "./tcp-ends.ts";

/** Bytes that tell their place, so that a lost, doubled or moved one is seen. */
export const bytesOf = (length: number, first = 0): Buffer => {
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, (_, index) =>
    Math.imul(first + index, 2_654_435_761),
  );
  return Buffer.from(words.buffer, 0, length);
};

export interface Pair {
  readonly client: TcpEnd;
  readonly server: TcpEnd;
}

export const BOTH = ["toServer", "toClient"] as const;

/** Sender and receiver of a direction. */
export const along = (ends: Pair, direction: Direction): readonly [from: TcpEnd, to: TcpEnd] =>
  direction === "toServer" ? [ends.client, ends.server] : [ends.server, ends.client];

export async function arrives(ends: Pair, direction: Direction, bytes: Buffer): Promise<void> {
  const [from, to] = along(ends, direction);
  const before = to.receivedBytes;
  from.socket.write(bytes);
  await to.until(() => to.receivedBytes >= before + bytes.length);
  expect(to.received.subarray(before).equals(bytes)).toBe(true);
}

/** For what no socket of a test tells. */
export async function waitFor(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

/** A fault proxy in front of a server whose connections the test holds at both ends. */
export class ProxyRig {
  readonly server: TcpServer;
  readonly proxy: FaultProxy;
  readonly clients: TcpEnd[] = [];

  private constructor(server: TcpServer, proxy: FaultProxy) {
    this.server = server;
    this.proxy = proxy;
  }

  static async start(): Promise<ProxyRig> {
    const server = await TcpServer.start();
    return new ProxyRig(server, await FaultProxy.start({ to: { port: server.port } }));
  }

  async client(): Promise<TcpEnd> {
    const end = await TcpEnd.connect(this.proxy.port);
    this.clients.push(end);
    return end;
  }

  async pair(): Promise<Pair> {
    return { client: await this.client(), server: await this.server.next() };
  }

  /** Another pair whose bytes have passed since: what was to come to others has come. */
  async roundTrip(): Promise<void> {
    const ends = await this.pair();
    ends.client.socket.write("there");
    await ends.server.until(() => ends.server.receivedBytes === 5);
    ends.server.socket.write("and back");
    await ends.client.until(() => ends.client.receivedBytes === 8);
    ends.client.socket.destroy();
  }

  async stop(): Promise<void> {
    for (const { socket } of this.clients.splice(0)) socket.destroy();
    await this.proxy.stop();
    await this.server.stop();
  }
}
