import { Packr } from "msgpackr";
import type { BoundaryLedger } from "./boundary-ledger.ts";

type Frame = Readonly<Record<string, unknown>>;

interface Waiting {
  readonly type: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const TIMEOUT_MS = 60_000;
const msgpack = new Packr({ useRecords: false, int64AsType: "number" });

/**
 * A member of one topic over a real WebSocket that does as docs/protocol.md tells a client: it keeps the position of the last message, and names
 * it whenever it joins. Behind the position that a join named positions rise by one, however a message came.
 */
export class BoundaryMember {
  readonly #url: string;
  readonly #topic: string;
  readonly #packs: boolean;
  readonly #ledger: BoundaryLedger;
  #violation: Error | null = null;
  #socket: WebSocket | null = null;
  /** The positions that the joins of this connection named which are not answered yet. */
  #asked: number[] = [];
  /** Where the stream stands: behind `offset` while a second join is answered with what the first one has brought already. */
  #reached = 0;
  #epoch = "";
  #waiting: Waiting[] = [];
  offset = 0;
  /** Joins that were answered. */
  races = 0;
  /** Of them those that could not be recovered. */
  refused = 0;
  /** Frames with the rest of a recovery. */
  parts = 0;

  constructor(url: string, topic: string, packs: boolean, ledger: BoundaryLedger) {
    this.#url = url;
    this.#topic = topic;
    this.#packs = packs;
    this.#ledger = ledger;
  }

  get isConnected(): boolean {
    return this.#socket !== null;
  }

  /** Connects, and joins once it is greeted. */
  async connect(): Promise<void> {
    const socket = new WebSocket(this.#url, this.#packs ? ["msgpack"] : []);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("close", () => this.#end(socket));
    this.#socket = socket;
    this.#asked = [];
    await this.#next("connected");
    this.send(this.join());
  }

  /** The frame of a join that names where the member stands. */
  join(): Frame {
    this.#asked.push(this.offset);
    const recover = this.#epoch === "" ? undefined : { offset: this.offset, epoch: this.#epoch };
    return { type: "subscribe", topic: this.#topic, ...(recover !== undefined && { recover }) };
  }

  leave(): Frame {
    return { type: "unsubscribe", topic: this.#topic };
  }

  say(content: number): Frame {
    return { type: "publish", topic: this.#topic, event: "note", data: { content }, id: content };
  }

  /** All of them at once, so that the node reads them in one turn. */
  send(...frames: readonly Frame[]): void {
    for (const frame of frames) this.#socket?.send(this.#packs ? msgpack.pack(frame) : JSON.stringify(frame));
  }

  /** Once all joins are answered, or the connection has ended. */
  async answered(): Promise<void> {
    while (this.#socket !== null && this.#asked.length > 0) await this.#next("subscribed");
  }

  left(): Promise<void> {
    return this.#next("unsubscribed");
  }

  /** Once it has the newest message that is known. */
  async isUpToDate(): Promise<void> {
    while (this.#socket !== null && this.offset < this.#ledger.newest) await this.#next("note");
  }

  /** Without a close frame. */
  async cut(): Promise<void> {
    const closed = this.#next("closed");
    this.#socket?.terminate();
    await closed;
  }

  /** Rejects with whatever was wrong so far. */
  async #next(type: string): Promise<void> {
    if (this.#violation !== null) throw this.#violation;
    if (this.#socket === null) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ type, resolve, reject });
    const late = new Error(`${this.#topic}: waited for ${type} at offset ${this.offset} of ${this.#ledger.newest}`);
    const timer = setTimeout(() => reject(late), TIMEOUT_MS);
    await promise.finally(() => clearTimeout(timer));
  }

  #wake(type: string): void {
    const woken = this.#waiting.filter((waiting) => waiting.type === type || type === "closed");
    if (woken.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => !woken.includes(waiting));
    for (const { resolve } of woken) resolve();
  }

  #violate(what: string): void {
    this.#violation ??= new Error(`${this.#topic}: ${what}`);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#violation);
  }

  #end(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#wake("closed");
  }

  #receive(data: unknown): void {
    const read: unknown = data instanceof ArrayBuffer ? msgpack.unpack(new Uint8Array(data)) : JSON.parse(String(data));
    const frame: Frame = Object.assign({}, read);
    const { type } = frame;
    if (type === "error") this.#violate(`an error: ${String(frame["code"])}`);
    else if (type === "published") this.#ledger.note(Number(frame["offset"]), Number(frame["id"]));
    else if (type === "subscribed") this.#joined(frame);
    else if (type === "recovered") this.parts += 1;
    if (type === "note") this.#take(frame);
    else if (Array.isArray(frame["messages"])) for (const message of frame["messages"]) this.#take(message);
    this.#wake(String(type));
  }

  #joined({ offset, epoch, wasRecovering, recovered }: Frame): void {
    const since = this.#asked.shift() ?? Number.NaN;
    const at = Number(offset);
    this.races += 1;
    this.#epoch = String(epoch);
    if (recovered === true) {
      this.#reached = since;
      if (!this.#ledger.isKept(since, at)) this.#violate(`${since} to ${at} was recovered, out of nothing`);
      return;
    }
    if (wasRecovering === true) {
      this.refused += 1;
      if (this.#ledger.isKept(since, at)) this.#violate(`${since} to ${at} was kept and not recovered`);
    }
    this.#reached = at;
    this.offset = Math.max(this.offset, at);
  }

  #take(message: unknown): void {
    const { offset, data } = Object(message);
    this.#reached += 1;
    if (offset !== this.#reached) this.#violate(`${String(offset)} came instead of ${this.#reached}`);
    this.#ledger.note(Number(offset), Number(Object(data).content));
    this.offset = Math.max(this.offset, this.#reached);
  }
}
