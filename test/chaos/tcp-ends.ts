import { createServer, type Server, Socket } from "node:net";

/** One end of a TCP connection that a test holds in its hands, and everything that it is told. */
export class TcpEnd {
  readonly socket: Socket;
  #received: Buffer[] = [];
  receivedBytes = 0;
  hasEnded = false;
  isClosed = false;
  errorCode: string | null = null;
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      this.#received.push(bytes);
      this.receivedBytes += bytes.length;
      this.#wake();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.#wake();
    });
    socket.on("error", (error) => {
      this.errorCode = "code" in error ? String(error.code) : error.message;
      this.#wake();
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
    socket.on("drain", () => this.#wake());
  }

  /** Reads on when its peer has ended. */
  static async connect(port: number): Promise<TcpEnd> {
    const socket = new Socket({ allowHalfOpen: true });
    const end = new TcpEnd(socket);
    socket.connect({ port, host: "127.0.0.1" }, () => end.#wake());
    await end.until(() => !socket.connecting);
    return end;
  }

  get received(): Buffer {
    const all = Buffer.concat(this.#received);
    this.#received = [all];
    return all;
  }

  /** Asks again whenever something happens to this end. The time limit is the test's. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await this.#changed.promise;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** A server whose connections a test takes one after the other. */
export class TcpServer {
  readonly port: number;
  readonly ends: TcpEnd[] = [];
  readonly #server: Server;
  #changed = Promise.withResolvers<void>();
  #taken = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (socket) => {
      this.ends.push(new TcpEnd(socket));
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  static start(): Promise<TcpServer> {
    const server = createServer({ allowHalfOpen: true });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (address === null || typeof address === "string") throw new Error("no port");
        resolve(new TcpServer(server, address.port));
      });
    });
  }

  /** The next connection in the order in which they came. */
  async next(): Promise<TcpEnd> {
    for (;;) {
      const end = this.ends[this.#taken];
      if (end !== undefined) {
        this.#taken += 1;
        return end;
      }
      await this.#changed.promise;
    }
  }

  async stop(): Promise<void> {
    for (const { socket } of this.ends) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
