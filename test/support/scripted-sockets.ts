import type { Socket, SocketConstructor, SocketEvent, SocketEventType } from "../../src/client/socket.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The WebSocket of a client whose other end is the test. */
export class ScriptedSocket implements Socket {
  binaryType = "blob";
  readonly url: URL;
  readonly protocols: readonly string[];
  readonly sent: Fields[] = [];
  /** With which code the client closed it; null while it did not. */
  closedWith: number | null = null;
  readonly #listeners: { type: SocketEventType; listener: (event: SocketEvent) => void }[] = [];

  constructor(url: string, protocols: readonly string[]) {
    this.url = new URL(url);
    this.protocols = protocols;
  }

  addEventListener(type: SocketEventType, listener: (event: SocketEvent) => void): void {
    this.#listeners.push({ type, listener });
  }

  send(data: string | Uint8Array): void {
    this.sent.push(JSON.parse(String(data)));
  }

  close(code = 1000): void {
    this.closedWith = code;
  }

  open(): void {
    this.#tell({ type: "open" });
  }

  receive(frame: Fields): void {
    this.#tell({ type: "message", data: JSON.stringify({ timestamp: 1, ...frame }) });
  }

  receiveText(data: string): void {
    this.#tell({ type: "message", data });
  }

  fail(): void {
    this.#tell({ type: "error" });
  }

  end(code = 1006, reason = ""): void {
    this.#tell({ type: "close", code, reason });
  }

  greet(fields: Fields = {}): void {
    this.receive({
      type: "connected",
      connectionId: "c1",
      nodeId: "n1",
      user: { id: "ada", username: "ada", name: "ada", roles: [], permissions: [] },
      heartbeat: { intervalMs: 30_000, timeoutMs: 90_000 },
      limits: { maxMessageBytes: 65_536, maxTopics: 128, messagesPerSecond: 20 },
      ...fields,
    });
  }

  /** What was sent of that type, oldest first. */
  ofType(type: string): Fields[] {
    return this.sent.filter((frame) => frame["type"] === type);
  }

  #tell(event: SocketEvent & { readonly type: SocketEventType }): void {
    for (const { type, listener } of this.#listeners) if (type === event.type) listener(event);
  }
}

/** All that a client made, oldest first. */
export class ScriptedSockets {
  readonly made: ScriptedSocket[] = [];
  readonly constructorFor: SocketConstructor;

  constructor() {
    const { made } = this;
    this.constructorFor = class extends ScriptedSocket {
      constructor(url: string, protocols: readonly string[]) {
        super(url, protocols);
        made.push(this);
      }
    };
  }

  get last(): ScriptedSocket {
    const last = this.made.at(-1);
    if (last === undefined) throw new Error("no socket yet");
    return last;
  }
}
