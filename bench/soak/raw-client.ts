import { handshake, textFrame } from "../load/client-frames.ts";
import type { World } from "./world.ts";

/** A connection that can do what no WebSocket client does: stop reading, and send what is no frame. */
export class RawClient {
  readonly #socket: Bun.Socket;
  readonly #ended: Promise<void>;

  private constructor(socket: Bun.Socket, ended: Promise<void>) {
    this.#socket = socket;
    this.#ended = ended;
  }

  /** Connected and upgraded as this user; what comes is read and dropped. */
  static async connect(world: World, token: string): Promise<RawClient> {
    const upgraded = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: world.port,
      socket: {
        data: () => upgraded.resolve(),
        close: () => {
          ended.resolve();
          upgraded.reject(new Error("ended before the upgrade"));
        },
        end: (ending) => void ending.end(),
        error: () => ended.resolve(),
      },
    });
    socket.write(
      handshake(world.port, "/ws", [`Authorization: Bearer ${token}`, `X-Forwarded-For: ${world.address()}`]),
    );
    await upgraded.promise;
    return new RawClient(socket, ended.promise);
  }

  send(frame: object): void {
    this.#socket.write(textFrame(JSON.stringify(frame)));
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  stopReading(): void {
    this.#socket.pause();
  }

  ended(): Promise<void> {
    return this.#ended;
  }

  async cut(): Promise<void> {
    this.#socket.terminate();
    await this.#ended;
  }
}
