import type {
  Accept,
  Address,
  Engine,
  EngineOptions,
  Handler,
  Handshake,
  Peer,
  Refuse,
  Socket,
} from "../../src/engine/engine.ts";
import { type ChosenCloseCode, CLOSES, type CloseCode, isChosenCloseCode } from "../../src/protocol/codes.ts";

/**
 * The server that the engine suite talks to. It does what its clients tell it in JSON messages and in the path, and everything it
 * saw can be asked for, so the suite needs nothing but TCP and an engine may run in another process.
 */

export interface RunningEngine {
  readonly address: Address;
  stop(): Promise<void>;
}

export type CreateEngine = (options: EngineOptions, handler: Handler<ContractSession>) => Engine;

/** Runs the suite's server on an engine in this process. */
export async function startContractServer(create: CreateEngine, options: EngineOptions): Promise<RunningEngine> {
  const handler = new ContractHandler();
  const engine = create(options, handler);
  handler.engine = engine;
  const address = await engine.listen();
  return { address, stop: () => engine.stop() };
}

export interface ContractSession {
  readonly name: string;
  readonly handshake: HandshakeCopy;
  readonly throwsIn: Set<string>;
  socket: Socket | null;
}

interface HandshakeCopy {
  readonly path: string;
  readonly query: string;
  readonly peerAddress: string;
  readonly headers: Readonly<Record<string, string | null>>;
}

interface Command {
  readonly do: string;
  readonly name?: string;
  readonly topic?: string;
  readonly text?: string;
  readonly where?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly count?: number;
  readonly size?: number;
}

const COPIED_HEADERS = ["host", "user-agent", "x-two-lines", "x-absent", "cookie"];

/** Below and above the 16 KiB at which an engine may write at once instead of at the end of the tick. */
const MIXED_SIZES = [10, 20_000, 300, 17_000, 1, 40_000];

/** What `/flow` answers, piece by piece: more than kernels hold between two processes. */
export const FLOW = Array.from({ length: 128 }, (_, at) => String.fromCodePoint(97 + (at % 26)).repeat(64 * 1024));

class ContractHandler implements Handler<ContractSession> {
  engine: Engine | null = null;
  readonly #events: string[] = [];
  readonly #sessions = new Map<string, ContractSession>();
  readonly #held = new Map<string, () => void>();
  #flowed = 0;

  upgrade(handshake: Handshake): Accept<ContractSession> | Refuse | Promise<Accept<ContractSession> | Refuse> {
    const query = new URLSearchParams(handshake.query);
    const name = query.get("name") ?? "";
    switch (handshake.path) {
      case "/refuse":
        return { status: 401, headers: { "WWW-Authenticate": "Bearer" }, body: "refused" };
      case "/refuse-later":
        return Promise.resolve({ status: 401, headers: {}, body: "refused" });
      case "/throw":
        throw new Error("in upgrade");
      case "/reject":
        return Promise.reject(new Error("in upgrade"));
      case "/bad-header":
        return { session: newSession(name, handshake), subprotocol: null, headers: { "X-Bad": "a\r\nb: c" } };
      case "/hold":
        return this.#hold(name, handshake);
    }
    const session = newSession(name, handshake);
    const where = query.get("throw");
    if (where !== null) session.throwsIn.add(where);
    const accept = { session, subprotocol: query.get("subprotocol") };
    return query.has("extra") ? { ...accept, headers: { "X-Extra": "1" } } : accept;
  }

  open(socket: Socket, session: ContractSession): void {
    session.socket = socket;
    this.#sessions.set(session.name, session);
    this.#saw("open", session);
  }

  malformed(handshake: Handshake, status: number): void {
    this.#events.push(`malformed ${new URLSearchParams(handshake.query).get("name") ?? "-"} ${status}`);
  }

  abandoned(session: ContractSession): void {
    this.#saw("abandoned", session);
  }

  message(session: ContractSession, data: string | Uint8Array): void {
    if (typeof data !== "string" || !data.startsWith("{")) {
      session.socket?.send(data);
      return;
    }
    const command: unknown = JSON.parse(data);
    if (isCommand(command)) this.#obey(session, command);
  }

  drain(session: ContractSession): void {
    this.#saw("drain", session);
  }

  pong(session: ContractSession): void {
    this.#saw("pong", session);
  }

  close(session: ContractSession, code: number, reason: string): void {
    // What is sent to a socket that is closing goes nowhere and throws nothing.
    const result = session.socket?.send("too late") ?? "no socket";
    this.#saw("close", session, code, reason, result);
  }

  async fetch(request: Request, peer: Peer): Promise<Response> {
    const path = request.url.slice(request.url.indexOf("/", "http://".length));
    if (path === "/throw") throw new Error("in fetch");
    if (path === "/length") return new Response(String((await request.arrayBuffer()).byteLength));
    if (path === "/stream") {
      peer.holdOpen();
      peer.letGo();
      return new Response(new Blob(["one ", "two"]).stream());
    }
    if (path === "/flow") return new Response(this.#flow());
    return Response.json({ url: request.url, method: request.method, address: peer.address });
  }

  failed(error: unknown): void {
    this.#events.push(`failed ${error instanceof Error ? error.message : "?"}`);
  }

  /** Pieces as they are asked for. */
  #flow(): ReadableStream<Uint8Array> {
    this.#flowed = 0;
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          const piece = FLOW[this.#flowed];
          if (piece === undefined) return controller.close();
          controller.enqueue(Buffer.from(piece));
          this.#flowed += 1;
        },
        cancel: () => void this.#events.push("cancelled flow"),
      },
      { highWaterMark: 0 },
    );
  }

  async #hold(name: string, handshake: Handshake): Promise<Accept<ContractSession>> {
    await new Promise<void>((release) => this.#held.set(name, release));
    this.#held.delete(name);
    return { session: newSession(name, handshake), subprotocol: null };
  }

  #saw(what: string, session: ContractSession, ...details: (string | number)[]): void {
    this.#events.push([what, session.name, ...details].join(" "));
    if (session.throwsIn.delete(what)) throw new Error(`in ${what}`);
  }

  #obey(session: ContractSession, command: Command): void {
    const target = command.name === undefined ? session : this.#sessions.get(command.name);
    const socket = target?.socket;
    const reply = (value: object): void => {
      session.socket?.send(JSON.stringify({ type: command.do, ...value }));
    };
    const topic = command.topic ?? "";
    const text = command.text ?? "";
    switch (command.do) {
      case "events":
        return reply({ events: this.#events });
      case "flowed":
        return reply({ pieces: this.#flowed });
      case "handshake":
        return reply({ ...session.handshake });
      case "release":
        this.#held.get(text)?.();
        return reply({ released: this.#held.has(text) });
      case "held":
        return reply({ held: this.#held.has(text) });
      case "throw":
        throw new Error("in message");
      case "throwIn":
        target?.throwsIn.add(command.where ?? "");
        return reply({});
      case "note":
        this.#saw("note", session, text);
        return;
      case "send":
        return reply({ result: socket?.send(text) });
      case "sendMany":
        return reply({ results: this.#sendMany(socket, command) });
      case "join":
        socket?.join(topic);
        return reply({});
      case "leave":
        socket?.leave(topic);
        return reply({});
      case "publish":
        socket?.publish(topic, text);
        return reply({});
      case "publishToAll":
        for (let i = 0; i < (command.count ?? 1); i++) this.engine?.publish(topic, numbered(i, command.size) + text);
        return reply({});
      case "leaveBehind":
        for (let i = 0; i < (command.count ?? 1); i++) this.engine?.publish(topic, numbered(i, command.size));
        socket?.leave(topic);
        this.engine?.publish(topic, "behind");
        if (text !== "") socket?.join(topic);
        return reply({});
      case "publishBytes": {
        const bytes = new Uint8Array(command.size ?? 1).fill(7);
        this.engine?.publish(topic, bytes);
        socket?.send(bytes);
        bytes.fill(0);
        return reply({});
      }
      case "mixed":
        for (let i = 0; i < (command.count ?? 0); i++) {
          const frame = numbered(i, MIXED_SIZES[i % MIXED_SIZES.length]);
          if (i % 3 === 0) socket?.send(frame);
          else this.engine?.publish(topic, frame);
        }
        return;
      case "closeIdle":
        this.engine?.closeIdle();
        return reply({});
      case "state":
        return reply({ bufferedBytes: socket?.bufferedBytes });
      case "ping":
        return socket?.ping();
      case "pause":
        socket?.pause?.();
        return reply({ canPause: socket?.pause !== undefined });
      case "resume":
        socket?.resume?.();
        return reply({});
      case "terminate":
        return socket?.terminate();
      case "close":
        this.#events.push("before close");
        socket?.close(closeCode(command.code), command.reason ?? "");
        this.#events.push("after close");
        return;
      case "closeAndGoOn":
        this.#closeAndGoOn(socket, topic);
        return;
    }
  }

  #sendMany(socket: Socket | null | undefined, command: Command): string[] {
    const results = new Set<string>();
    for (let i = 0; i < (command.count ?? 0); i++) results.add(socket?.send(numbered(i, command.size)) ?? "no socket");
    return [...results];
  }

  /** Everything a socket can be asked after its close. */
  #closeAndGoOn(socket: Socket | null | undefined, topic: string): void {
    if (socket === null || socket === undefined) return;
    socket.close(4003, "first");
    socket.close(4001, "second");
    socket.join(topic);
    socket.leave(topic);
    socket.publish(topic, "from the dead");
    socket.ping();
    socket.pause?.();
    socket.resume?.();
    socket.terminate();
    this.#events.push(`then ${socket.send("text")} ${socket.send(new Uint8Array(1))} ${socket.bufferedBytes}`);
  }
}

function newSession(name: string, handshake: Handshake): ContractSession {
  const headers: Record<string, string | null> = {};
  for (const header of COPIED_HEADERS) headers[header] = handshake.header(header);
  const { path, query, peerAddress } = handshake;
  return { name, handshake: { path, query, peerAddress, headers }, throwsIn: new Set(), socket: null };
}

/** `7:` and filling up to `size`. */
function numbered(index: number, size = 0): string {
  return `${index}:`.padEnd(size, "x");
}

function closeCode(code = 1000): CloseCode | ChosenCloseCode {
  const isCloseCode = (value: number): value is CloseCode => Object.hasOwn(CLOSES, value);
  return isCloseCode(code) || isChosenCloseCode(code) ? code : 1000;
}

function isCommand(value: unknown): value is Command {
  return typeof value === "object" && value !== null && "do" in value && typeof value.do === "string";
}
