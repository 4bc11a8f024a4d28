import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A client that has asked for something over HTTP and reads nothing of the answer until it is told to. */
export class SlowReader implements AsyncDisposable {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async ask(port: number, target: string): Promise<SlowReader> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.pause();
    await once(socket, "connect");
    socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return new SlowReader(socket);
  }

  /** All that comes until it ends with `last`, or the connection does. */
  readAll(last: string): Promise<Buffer> {
    const received: Buffer[] = [];
    return new Promise((resolve) => {
      const done = (): void => resolve(Buffer.concat(received));
      this.#socket.on("data", (data: Buffer) => {
        received.push(data);
        if (data.toString("latin1").endsWith(last)) done();
      });
      this.#socket.on("close", done);
      this.#socket.resume();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#socket.destroy();
    await once(this.#socket, "close");
  }
}
