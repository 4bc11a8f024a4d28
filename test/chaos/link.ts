import { connect, type Socket } from "node:net";
import { encodeFrame, OPCODE, parseFrame, type ReceivedFrame } from "../support/frames.ts";
import { parseResponse, upgradeRequest } from "../support/http.ts";

/** What a connection tells the client that has it: exactly one of `refused` and `ended`, and nothing after it. */
export interface LinkOwner {
  opened(): void;
  message(data: string | Buffer): void;
  /** There was no upgrade. The status is 0 where no answer came. */
  refused(status: number, retryAfterMs: number): void;
  /** 1006 where no close frame came, 1005 where it had no code. */
  ended(code: number, reason: string): void;
}

export interface LinkTarget {
  readonly port: number;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
}

const NO_CODE = 1005;
const ABNORMAL = 1006;

/** One WebSocket connection on TCP. Unlike the WebSocket of a browser it shows the status and the headers of a refusal. */
export class Link {
  readonly #owner: LinkOwner;
  readonly #socket: Socket;
  #input: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #isOver = false;
  #isClosing = false;
  #code = ABNORMAL;
  #reason = "";
  readonly startedAtMs = Date.now();
  lastHeardMs = performance.now();

  constructor(target: LinkTarget, owner: LinkOwner) {
    this.#owner = owner;
    const { path, headers } = target;
    const socket = connect({ port: target.port, host: "127.0.0.1" });
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("connect", () => socket.write(upgradeRequest({ path, headers })));
    socket.on("data", (chunk) => this.#receive(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
    socket.on("error", () => this.#finish());
    socket.on("end", () => this.#finish());
    socket.on("close", () => this.#finish());
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#isOver && !this.#isClosing;
  }

  /** Several messages go out in one write, so that the node reads them in one turn. */
  send(...messages: readonly (string | Uint8Array)[]): void {
    if (!this.isOpen) return;
    const frames = messages.map((payload) =>
      encodeFrame({ opcode: typeof payload === "string" ? OPCODE.text : OPCODE.binary, payload }),
    );
    this.#socket.write(frames.length === 1 && frames[0] !== undefined ? frames[0] : Buffer.concat(frames));
  }

  /** Says goodbye. The end is told when the node has answered, or has hung up. */
  close(): void {
    if (!this.isOpen) return this.destroy();
    this.#isClosing = true;
    this.#socket.write(encodeFrame({ opcode: OPCODE.close, payload: Buffer.from([0x03, 0xe8]) }));
  }

  /** Hangs up without a word. */
  destroy(): void {
    this.#socket.destroy();
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.destroy();
    if (this.#isOpen) this.#owner.ended(this.#code, this.#reason);
    else this.#owner.refused(0, 0);
  }

  #receive(chunk: Buffer): void {
    if (this.#isOver) return;
    this.lastHeardMs = performance.now();
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    if (!this.#isOpen) this.#takeResponse();
    if (this.#isOpen) this.#takeFrames();
  }

  #takeResponse(): void {
    const parsed = parseResponse(this.#input, false, false);
    if (parsed === null) return;
    this.#input = this.#input.subarray(parsed.length);
    const { status, headers } = parsed.response;
    if (status === 101) {
      this.#isOpen = true;
      this.#owner.opened();
      return;
    }
    const retryAfterS = Number(headers.get("retry-after")?.[0] ?? 0);
    this.#isOver = true;
    this.#socket.destroy();
    this.#owner.refused(status, 1_000 * retryAfterS);
  }

  #takeFrames(): void {
    let at = 0;
    while (!this.#isOver) {
      const parsed = parseFrame(at === 0 ? this.#input : this.#input.subarray(at));
      if (parsed === null) break;
      at += parsed.length;
      this.#handle(parsed.frame);
    }
    this.#input = this.#input.subarray(at);
  }

  #handle({ opcode, payload, fin }: ReceivedFrame): void {
    if (!fin) throw new Error("the node fragmented a message");
    if (opcode === OPCODE.text) this.#owner.message(payload.toString());
    else if (opcode === OPCODE.binary) this.#owner.message(payload);
    else if (opcode === OPCODE.ping) this.#socket.write(encodeFrame({ opcode: OPCODE.pong, payload }));
    else if (opcode === OPCODE.close) {
      this.#code = payload.length < 2 ? NO_CODE : payload.readUInt16BE(0);
      this.#reason = payload.subarray(2).toString();
      if (!this.#isClosing) this.#socket.write(encodeFrame({ opcode: OPCODE.close, payload: payload.subarray(0, 2) }));
      this.#socket.end();
      this.#finish();
    }
  }
}
