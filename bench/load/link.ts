import type { Socket } from "bun";
import { unpack } from "msgpackr";
import { ChatBatch, pongFrame } from "./client-frames.ts";
import { FrameStream, type FrameEvents } from "./frame-stream.ts";
import { isPosition, type Missed, type Position } from "./missed.ts";

const HEAD_END = "\r\n\r\n";
const MAX_HEAD_BYTES = 16 * 1024;

/** What a connection tells the fleet it belongs to. */
export interface LinkOwner {
  /** The upgrade succeeded; nothing else has come yet. */
  upgraded(link: Link): void;
  /** Upgraded, greeted and joined, as far as its plan says; again for each later join. */
  opened(link: Link): void;
  /** The run is broken: a frame that must not be there, a refusal, a connection that ended. */
  failed(reason: string): void;
  closed(link: Link): void;
}

export interface LinkPlan {
  readonly request: Uint8Array;
  readonly greets: boolean;
  readonly join: Uint8Array | null;
  /** What the answer to the join must bring; null for a join that recovers nothing. */
  readonly missed: Missed | null;
  /** Null for a member that only listens. */
  readonly chat: ChatBatch | null;
  readonly inFlight: number;
  readonly room: number;
}

/** One raw TCP connection that speaks just enough WebSocket to be counted. */
export class Link implements FrameEvents {
  readonly stream = new FrameStream(this);
  readonly plan: LinkPlan;
  sent = 0;
  /** How many messages it may have sent in the end. */
  quota = 0;
  isClosing = false;
  /** Called when messages have arrived. */
  onArrival: (() => void) | null = null;
  /** Where it stood in its room when it joined. */
  position: Position | null = null;
  readonly #owner: LinkOwner;
  #socket: Socket<Link> | null = null;
  #head: Buffer | null = Buffer.alloc(0);
  #awaits: "connected" | "room_joined" | null;

  constructor(owner: LinkOwner, plan: LinkPlan) {
    this.#owner = owner;
    this.plan = plan;
    this.#awaits = plan.greets ? "connected" : null;
  }

  connect(port: number): void {
    Bun.connect({ hostname: "127.0.0.1", port, data: this, socket: handlers }).catch(() =>
      this.#owner.failed("a connection was refused"),
    );
  }

  start(socket: Socket<Link>): void {
    this.#socket = socket;
    this.#write(this.plan.request);
  }

  receive(chunk: Uint8Array): void {
    if (this.#head !== null) return this.#readHead(chunk);
    this.stream.read(chunk);
    this.onArrival?.();
    if (this.sent < this.quota) this.pump();
  }

  /** Sends as many messages as are not in flight: one is, until both its acknowledgement and the sender's own copy came. */
  pump(): void {
    const { chat, inFlight } = this.plan;
    if (chat === null) return;
    const done = Math.min(this.stream.acknowledgements, this.stream.broadcasts);
    const free = Math.min(inFlight - (this.sent - done), this.quota - this.sent);
    if (free <= 0) return;
    this.sent += free;
    this.#write(chat.next(free));
  }

  get room(): number {
    return this.plan.room;
  }

  get isSender(): boolean {
    return this.plan.chat !== null;
  }

  /** Once it is open. */
  join(request: Uint8Array): void {
    this.#awaits = "room_joined";
    this.#write(request);
  }

  end(): void {
    this.isClosing = true;
    this.#socket?.end();
  }

  /** As when the network breaks: a reset, and no close frame. */
  cut(): void {
    this.isClosing = true;
    this.#socket?.terminate();
  }

  ended(): void {
    if (!this.isClosing) this.#owner.failed("a connection ended during the run");
    this.#owner.closed(this);
  }

  text(payload: Uint8Array): void {
    const { missed } = this.plan;
    if (missed !== null && this.#awaits === "room_joined") {
      if (!missed.isWhole(payload)) return this.#owner.failed("a client did not recover exactly what it missed");
      this.position = missed.until;
      return this.#joined();
    }
    this.#answered(JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("utf8")));
  }

  binary(payload: Uint8Array): void {
    this.#answered(unpack(payload));
  }

  #answered(frame: unknown): void {
    const type = typeof frame === "object" && frame !== null && "type" in frame ? frame.type : null;
    if (this.#awaits === null || type !== this.#awaits) {
      const code = typeof frame === "object" && frame !== null && "code" in frame ? ` ${String(frame.code)}` : "";
      return this.#owner.failed(`an unexpected frame came: ${String(type)}${code}`);
    }
    if (type === "connected" && this.plan.join !== null) return this.join(this.plan.join);
    if (type === "room_joined" && isPosition(frame)) this.position = { offset: frame.offset, epoch: frame.epoch };
    this.#joined();
  }

  #joined(): void {
    this.#awaits = null;
    this.#owner.opened(this);
  }

  ping(payload: Uint8Array): void {
    this.#write(pongFrame(payload));
  }

  closed(code: number): void {
    this.#owner.failed(`the server closed a connection with ${code}`);
  }

  broken(reason: string): void {
    this.#owner.failed(reason);
  }

  #readHead(chunk: Uint8Array): void {
    const head = Buffer.concat([this.#head ?? Buffer.alloc(0), chunk]);
    const end = head.indexOf(HEAD_END);
    if (end === -1) {
      if (head.length > MAX_HEAD_BYTES) this.#owner.failed("the answer to an upgrade has no end");
      this.#head = head;
      return;
    }
    const status = head.toString("latin1", 9, 12);
    if (status !== "101") {
      const code = /"code":"([A-Z_]+)"/.exec(head.toString("latin1"))?.[1] ?? "";
      return this.#owner.failed(`an upgrade was answered ${status} ${code}`.trimEnd());
    }
    this.#head = null;
    this.#owner.upgraded(this);
    if (this.#awaits === null) this.#owner.opened(this);
    const rest = head.subarray(end + HEAD_END.length);
    if (rest.length > 0) this.receive(rest);
  }

  #write(bytes: Uint8Array): void {
    // At most a few hundred bytes are ever in flight towards the server, so the kernel always has room.
    if (this.#socket?.write(bytes) !== bytes.length) this.#owner.failed("the kernel did not take a frame whole");
  }
}

const handlers = {
  binaryType: "uint8array" as const,
  open: (socket: Socket<Link>) => socket.data.start(socket),
  data: (socket: Socket<Link>, chunk: Uint8Array) => socket.data.receive(chunk),
  close: (socket: Socket<Link>) => socket.data.ended(),
  end: (socket: Socket<Link>) => void socket.end(),
  error: () => {},
};
