import type { Socket } from "node:net";
import { type Direction, Flow } from "./flow.ts";
import type { Random } from "./random.ts";

/** A client's connection and the one to the server that belongs to it. Both stay half open, as TCP has it. */
export class ProxiedConnection {
  /** The how manieth of its proxy, from 0. */
  readonly index: number;
  readonly flows: Readonly<Record<Direction, Flow>>;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #connect: () => void;
  #isConnected = false;

  /** `server` is not connected yet; `connect` does it. */
  constructor(index: number, client: Socket, server: Socket, connect: () => void, random: Random, over: () => void) {
    this.index = index;
    this.#client = client;
    this.#server = server;
    this.#connect = connect;
    this.flows = {
      toServer: new Flow(client, server, random.fork("toServer"), () => this.#cutBehind("toServer")),
      toClient: new Flow(server, client, random.fork("toClient"), () => this.#cutBehind("toClient")),
    };
    let open = 2;
    for (const socket of [client, server]) {
      // What is wrong with a socket is known at its close.
      socket.on("error", () => {});
      socket.on("close", () => {
        open -= 1;
        if (open === 0) over();
      });
      socket.setNoDelay(true);
    }
  }

  /** Not through a black hole: the server must not know of a connection that cannot reach it. */
  connect(): void {
    if (this.#isConnected || this.flows.toServer.isBlackhole || this.#client.destroyed) return;
    this.#isConnected = true;
    this.#connect();
  }

  /** Both sides at once. What was on its way is lost. */
  cut(): void {
    this.#end((socket) => socket.destroy());
  }

  reset(): void {
    this.#end((socket) => socket.resetAndDestroy());
  }

  /** Without its lost bytes a stream cannot go on: such a connection is reset, as by a firewall that has forgotten it. */
  heal(): void {
    const flows = Object.values(this.flows);
    if (flows.some((flow) => flow.hasHole)) return this.reset();
    for (const flow of flows) flow.heal();
    this.connect();
  }

  #end(how: (socket: Socket) => unknown): void {
    for (const flow of Object.values(this.flows)) flow.over();
    how(this.#client);
    how(this.#server);
  }

  /**
   * The target gets all that has passed, then the end. It is not destroyed: the kernel resets a connection that is closed with bytes
   * unread, and drops what it has not sent then.
   */
  #cutBehind(direction: Direction): void {
    if (!this.#isConnected) return this.cut();
    const [source, target] = direction === "toServer" ? [this.#client, this.#server] : [this.#server, this.#client];
    for (const flow of Object.values(this.flows)) flow.over();
    source.destroy();
    target.end();
  }
}
