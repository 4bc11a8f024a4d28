import { Packr } from "msgpackr";
import type { World } from "./world.ts";

export type Frame = Readonly<Record<string, unknown>>;

export interface Way {
  readonly path?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
}

const TIMEOUT_MS = 90_000;
const STATES = ["connecting", "open", "closing", "closed"];
const msgpack = new Packr({ useRecords: false, int64AsType: "number" });

interface Waiter {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

/** A visitor's connection. Of what comes it keeps the answers that somebody waits for, and the last position in each room. */
export class Client {
  readonly #socket: WebSocket;
  readonly #answers = new Map<string | number, Waiter>();
  readonly #ended = Promise.withResolvers<number>();
  readonly positions = new Map<string, { offset: number; epoch: string }>();
  readonly #packs: boolean;
  #serial = 0;

  private constructor(socket: WebSocket, packs: boolean) {
    this.#socket = socket;
    this.#packs = packs;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("close", ({ code }) => {
      this.#ended.resolve(code);
      for (const waiter of this.#answers.values()) waiter.reject(new Error(`closed ${code} instead of an answer`));
      this.#answers.clear();
    });
    socket.addEventListener("error", () => {});
  }

  /** Not yet open: it may be about to be refused. */
  static dial(world: World, { path = "/ws", query = "", headers = {}, protocols = [] }: Way): Client {
    const socket = new WebSocket(`ws://127.0.0.1:${world.port}${path}${query}`, {
      headers: { "X-Forwarded-For": world.address(), ...headers },
      protocols: [...protocols],
    });
    return new Client(socket, protocols.includes("msgpack"));
  }

  /** As this user, and greeted. */
  static async connect(world: World, token: string, protocols: readonly string[] = []): Promise<Client> {
    const client = Client.dial(world, { headers: { Authorization: `Bearer ${token}` }, protocols });
    await client.greeted("connected");
    return client;
  }

  greeted(type: string): Promise<Frame> {
    return this.#wait(type);
  }

  /** The answer; rejects when it is an error, or the end of the connection. */
  ask(frame: Frame): Promise<Frame> {
    this.#serial += 1;
    const answer = this.#wait(this.#serial);
    this.send({ ...frame, id: this.#serial });
    return answer;
  }

  /** Asks for something that is refused with this code. */
  async refused(frame: Frame, code: string): Promise<void> {
    const answer = await this.ask(frame).then(
      () => "answered",
      (error: unknown) => (error instanceof Error ? error.message : ""),
    );
    if (answer !== code) throw new Error(`${String(frame["type"])} was ${answer} instead of ${code}`);
  }

  send(frame: Frame): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(this.#packs ? msgpack.pack(frame) : JSON.stringify(frame));
  }

  sendText(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  /** The close code; rejects when it does not come. */
  ended(): Promise<number> {
    return within(this.#ended.promise, () => `the end of a connection (${STATES[this.#socket.readyState] ?? ""})`);
  }

  /** Rejects when it ends with another code. */
  async endedWith(...codes: readonly number[]): Promise<void> {
    const code = await this.ended();
    if (!codes.includes(code)) throw new Error(`closed ${code} instead of ${codes.join(" or ")}`);
  }

  async close(code = 1000): Promise<void> {
    this.#socket.close(code);
    await this.ended();
  }

  /** As when the network breaks: no close frame. */
  async cut(): Promise<void> {
    this.#socket.terminate();
    await this.ended();
  }

  async #wait(answerTo: string | number): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    this.#answers.set(answerTo, { resolve, reject });
    return within(promise, () => `${answerTo} (${STATES[this.#socket.readyState] ?? ""})`).finally(() =>
      this.#answers.delete(answerTo),
    );
  }

  #receive(data: unknown): void {
    const frame = typeof data === "string" ? JSON.parse(data) : msgpack.unpack(new Uint8Array(bytesOf(data)));
    if (!isFrame(frame)) return;
    this.#note(frame);
    const { id, type } = frame;
    const key = typeof id === "string" || typeof id === "number" ? id : String(type);
    const waiter = this.#answers.get(key);
    if (waiter === undefined) return;
    if (type === "error") waiter.reject(new Error(String(frame["code"])));
    else waiter.resolve(frame);
  }

  #note(frame: Frame): void {
    const { roomSlug, offset, epoch } = frame;
    if (typeof roomSlug === "string" && typeof offset === "number" && typeof epoch === "string") {
      this.positions.set(roomSlug, { offset, epoch });
    }
  }
}

async function within<T>(promise: Promise<T>, what: () => string): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error(`waited too long for ${what()}`)), TIMEOUT_MS);
  return Promise.race([promise, timeout.promise]).finally(() => clearTimeout(timer));
}

function bytesOf(data: unknown): ArrayBuffer {
  return data instanceof ArrayBuffer ? data : new ArrayBuffer(0);
}

function isFrame(value: unknown): value is Frame {
  return typeof value === "object" && value !== null;
}
