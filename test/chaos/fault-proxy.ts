import { createServer, type Server, Socket } from "node:net";
import type { Direction, Flow } from "./flow.ts";
import { ProxiedConnection } from "./proxied-connection.ts";
import { Random } from "./random.ts";

/** Which connections a fault is for: those that are open and those that come, until `heal`. All of them unless it says otherwise. */
export interface Chosen {
  /** The `index`: the how manieth connection of the proxy, from 0. */
  readonly only?: (index: number) => boolean;
  /** Of 0 to 1: chosen by the proxy's random numbers, each connection for itself. */
  readonly share?: number;
}

/** The same, in one direction or in both. */
export interface Where extends Chosen {
  readonly direction?: Direction;
}

export interface FaultProxyOptions {
  readonly to: { readonly port: number; readonly host?: string };
  readonly random?: Random;
}

const DIRECTIONS: readonly Direction[] = ["toServer", "toClient"];

/**
 * A TCP proxy on 127.0.0.1 whose faults can be set and lifted while it runs. Without one that drops, bytes and ends pass in order and
 * complete. Faults of several kinds add up; the newest of a kind counts.
 */
export class FaultProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #random: Random;
  readonly #open = new Set<ProxiedConnection>();
  readonly #past = { passed: { toServer: 0, toClient: 0 }, dropped: { toServer: 0, toClient: 0 } };
  /** What is done to every connection that comes. */
  #rules: ((connection: ProxiedConnection) => void)[] = [];
  #ruleCount = 0;
  #accepted = 0;
  #refuses = false;

  private constructor(server: Server, port: number, { to, random = new Random("fault-proxy") }: FaultProxyOptions) {
    this.#server = server;
    this.port = port;
    this.#random = random;
    server.on("connection", (client) => this.#accept(client, to));
  }

  static start(options: FaultProxyOptions): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (address === null || typeof address === "string") throw new Error("no port");
        resolve(new FaultProxy(server, address.port, options));
      });
    });
  }

  /** Open at either side. */
  get connections(): number {
    return this.#open.size;
  }

  /** All that ever came, refused ones not counted. */
  get accepted(): number {
    return this.#accepted;
  }

  passedBytes(direction: Direction): number {
    let bytes = this.#past.passed[direction];
    for (const { flows } of this.#open) bytes += flows[direction].passedBytes;
    return bytes;
  }

  droppedBytes(direction: Direction): number {
    let bytes = this.#past.dropped[direction];
    for (const { flows } of this.#open) bytes += flows[direction].droppedBytes;
    return bytes;
  }

  /** Everything comes later by `ms` and up to `jitterMs` more, in order. */
  delay(ms: number, jitterMs = 0, where: Where = {}): void {
    this.#rule(where, (flow) => flow.delay(ms, jitterMs));
  }

  bandwidth(bytesPerSecond: number, where: Where = {}): void {
    this.#rule(where, (flow) => flow.bandwidth(bytesPerSecond));
  }

  /** Ends each connection at both sides as soon as `bytes` more have passed in that direction, and not one behind them. */
  cutAfter(bytes: number, direction: Direction, chosen: Chosen = {}): void {
    this.#rule({ ...chosen, direction }, (flow) => flow.cutAfter(bytes));
  }

  /** Requests pass; the first answer that comes then is swallowed, and the connection ended. */
  dropReplies(chosen: Chosen = {}): void {
    this.#rule({ ...chosen, direction: "toClient" }, (flow) => flow.cutAtNext());
  }

  /** Whatever is sent vanishes, ends and resets too. New connections are taken, and the server hears nothing of them. */
  blackhole(where: Where = {}): void {
    this.#rule(where, (flow) => flow.blackhole());
  }

  /** The sender is not read, until its buffers are full. Nothing is lost. */
  stall(where: Where = {}): void {
    this.#rule(where, (flow) => flow.stall());
  }

  /** The receiver of that direction gets the end of its stream, which the sender does not know. Open connections only. */
  halfClose(direction: Direction, chosen: Chosen = {}): void {
    this.#each(chosen, ({ flows }) => flows[direction].end());
  }

  /** Open connections only. */
  cutAll(chosen: Chosen = {}): void {
    this.#each(chosen, (connection) => connection.cut());
  }

  /** Open connections only. */
  reset(chosen: Chosen = {}): void {
    this.#each(chosen, (connection) => connection.reset());
  }

  /** New connections are reset. */
  refuse(): void {
    this.#refuses = true;
  }

  /** No faults any more. Connections that have lost something in a black hole are reset. */
  heal(): void {
    this.#rules = [];
    this.#refuses = false;
    for (const connection of this.#open) connection.heal();
  }

  async stop(): Promise<void> {
    this.refuse();
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #rule({ direction, ...chosen }: Where, set: (flow: Flow) => void): void {
    const directions = direction === undefined ? DIRECTIONS : [direction];
    const apply = this.#chosenOf(chosen, ({ flows }) => {
      for (const each of directions) set(flows[each]);
    });
    this.#rules.push(apply);
    for (const connection of this.#open) apply(connection);
  }

  #each(chosen: Chosen, act: (connection: ProxiedConnection) => void): void {
    const apply = this.#chosenOf(chosen, act);
    for (const connection of this.#open) apply(connection);
  }

  /** The same for the chosen connections only. Who is chosen depends on the order of faults and connections, and not on time. */
  #chosenOf({ only, share }: Chosen, act: (connection: ProxiedConnection) => void) {
    const random = this.#random.fork(`fault ${this.#ruleCount++}`);
    return (connection: ProxiedConnection): void => {
      if (only !== undefined && !only(connection.index)) return;
      if (share !== undefined && !random.fork(connection.index).chance(share)) return;
      act(connection);
    };
  }

  #accept(client: Socket, { port, host = "127.0.0.1" }: FaultProxyOptions["to"]): void {
    if (this.#refuses) {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const index = this.#accepted++;
    const server = new Socket({ allowHalfOpen: true });
    const connect = (): unknown => server.connect({ port, host });
    const connection = new ProxiedConnection(index, client, server, connect, this.#random.fork(index), () =>
      this.#forget(connection),
    );
    this.#open.add(connection);
    for (const apply of this.#rules) apply(connection);
    connection.connect();
  }

  #forget(connection: ProxiedConnection): void {
    this.#open.delete(connection);
    for (const direction of DIRECTIONS) {
      this.#past.passed[direction] += connection.flows[direction].passedBytes;
      this.#past.dropped[direction] += connection.flows[direction].droppedBytes;
    }
  }
}
