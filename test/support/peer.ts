import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { conforming, isOwn } from "./conforming.ts";
import { encodeFrame, type FrameToSend, OPCODE, parseFrame, type ReceivedFrame } from "./frames.ts";
import { type HttpResponse, parseResponse, type UpgradeRequest, upgradeRequest } from "./http.ts";

export type { HttpResponse, UpgradeRequest };

/** A client written by hand on TCP: it can send what no WebSocket library would, and hides nothing of what comes back. */

export interface PeerOptions {
  readonly autoPong?: boolean;
  /** Answer the server's close frame, as RFC 6455 section 5.5.1 asks. */
  readonly autoClose?: boolean;
  /**
   * False for servers that are no node: what comes from them is not held against the protocol. `but-own`: all but the frames of an
   * application's own types.
   */
  readonly conforms?: boolean | "but-own";
}

export interface TlsTarget {
  readonly port: number;
  readonly ca: string;
  /** Where the server sees it come from: any of 127.0.0.0/8. */
  readonly localAddress?: string;
}

export interface Closed {
  /** 1005 when the close frame carried none, 1006 when there was no close frame. */
  readonly code: number;
  readonly reason: string;
}

export type JsonObject = { readonly [key: string]: unknown };

const MAX_KEPT_FRAMES = 10_000;
/** Shorter than the time limit of a test, so that the test says what it waited for. */
const DEFAULT_TIMEOUT_MS = 20_000;

interface Waiter {
  /** True when it is settled. */
  check(): boolean;
}

export class RawPeer {
  readonly #socket: Socket;
  readonly #autoPong: boolean;
  readonly #autoClose: boolean;
  readonly #conforms: boolean | "but-own";
  readonly #waiters = new Set<Waiter>();
  readonly #responses: HttpResponse[] = [];
  readonly #messages: (string | Uint8Array)[] = [];
  readonly #frames: ReceivedFrame[] = [];
  #input: Buffer = Buffer.alloc(0);
  #framed = false;
  #answered = 0;
  #headRequest = false;
  #fragments: Buffer[] = [];
  #fragmentsOpcode = 0;
  #closeFrame: Closed | null = null;
  #closeSent = false;
  #ended = false;
  #violation: Error | null = null;
  receivedPings = 0;
  receivedPongs = 0;

  private constructor(socket: Socket, options: PeerOptions) {
    this.#socket = socket;
    this.#autoPong = options.autoPong ?? true;
    this.#autoClose = options.autoClose ?? true;
    this.#conforms = options.conforms ?? true;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#receive(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
    socket.on("error", () => this.#end());
    socket.on("end", () => this.#end());
    socket.on("close", () => this.#end());
  }

  static connect(port: number, host = "127.0.0.1", options: PeerOptions = {}): Promise<RawPeer> {
    return RawPeer.#open(connect({ port, host }), "connect", options);
  }

  static connectUnix(path: string, options: PeerOptions = {}): Promise<RawPeer> {
    return RawPeer.#open(connect({ path }), "connect", options);
  }

  /** Over TLS to `localhost`, whose certificate has to be signed by `ca`. */
  static connectTls(target: TlsTarget, options: PeerOptions = {}): Promise<RawPeer> {
    const socket = connectTls({ ...target, host: "127.0.0.1", servername: "localhost" });
    return RawPeer.#open(socket, "secureConnect", options);
  }

  /** Connects and upgrades; rejects unless the answer is 101. */
  static async open(port: number, request: UpgradeRequest = {}, options: PeerOptions = {}): Promise<RawPeer> {
    const peer = await RawPeer.connect(port, "127.0.0.1", options);
    const response = await peer.upgrade(request);
    if (response.status === 101) return peer;
    peer.destroy();
    throw new Error(`upgrade answered ${response.status}: ${response.body}`);
  }

  static #open(socket: Socket, connected: "connect" | "secureConnect", options: PeerOptions): Promise<RawPeer> {
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once(connected, () => {
        socket.off("error", reject);
        resolve(new RawPeer(socket, options));
      });
    });
  }

  writeRaw(data: Uint8Array | string): void {
    if (!this.#socket.destroyed) this.#socket.write(data);
  }

  /** Bytes that the kernel has not taken yet: over 0 for long when the server stopped reading. */
  get unwrittenBytes(): number {
    return this.#socket.writableLength;
  }

  /** Writes a whole HTTP request and waits for its answer. */
  request(rawText: string, timeoutMs?: number): Promise<HttpResponse> {
    this.#headRequest = rawText.startsWith("HEAD ");
    this.writeRaw(rawText);
    return this.response(timeoutMs);
  }

  upgrade(request: UpgradeRequest = {}, timeoutMs?: number): Promise<HttpResponse> {
    return this.request(upgradeRequest(request), timeoutMs);
  }

  /** The next answer that was not handed out yet. */
  response(timeoutMs?: number): Promise<HttpResponse> {
    return this.#next("an HTTP response", timeoutMs, () => {
      const response = this.#responses[this.#answered];
      if (response !== undefined) this.#answered++;
      return response;
    });
  }

  /** Every answer so far. */
  responses(): readonly HttpResponse[] {
    return this.#responses;
  }

  text(text: string): void {
    this.frame({ opcode: OPCODE.text, payload: text });
  }

  /** Sends an object as JSON text. */
  send(value: object): void {
    this.text(JSON.stringify(value));
  }

  /** Several of them in one write, so that they arrive together. */
  sendAll(values: readonly object[]): void {
    const frames = values.map((value) => encodeFrame({ opcode: OPCODE.text, payload: JSON.stringify(value) }));
    this.writeRaw(Buffer.concat(frames));
  }

  binary(bytes: Uint8Array): void {
    this.frame({ opcode: OPCODE.binary, payload: bytes });
  }

  ping(payload: Uint8Array | string = ""): void {
    this.frame({ opcode: OPCODE.ping, payload });
  }

  pong(payload: Uint8Array | string = ""): void {
    this.frame({ opcode: OPCODE.pong, payload });
  }

  /** null sends a close frame without a code. */
  close(code: number | null = 1000, reason = ""): void {
    this.#closeSent = true;
    const payload =
      code === null ? Buffer.alloc(0) : Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
    this.frame({ opcode: OPCODE.close, payload });
  }

  frame(frame: FrameToSend): void {
    this.writeRaw(encodeFrame(frame));
  }

  /** The next data message, put together from its fragments. Rejects when the connection ends first. */
  next(timeoutMs?: number): Promise<string | Uint8Array> {
    return this.#next("a message", timeoutMs, () => this.#messages.shift());
  }

  /** The next frame of any kind, control frames included; independent of `next`. The newest 10,000 are kept. */
  nextFrame(timeoutMs?: number): Promise<ReceivedFrame> {
    return this.#next("a frame", timeoutMs, () => this.#frames.shift());
  }

  /** The next message, which must be a JSON object in a text frame, and a frame of the protocol. */
  async json(timeoutMs?: number): Promise<JsonObject> {
    const message = await this.next(timeoutMs);
    if (typeof message !== "string") throw new Error("expected a text frame, got a binary one");
    const value: unknown = JSON.parse(message);
    if (!isObject(value)) throw new Error(`expected a JSON object, got ${message}`);
    const isFree = this.#conforms === "but-own" ? isOwn(value) : !this.#conforms;
    return isFree ? value : conforming(value);
  }

  /** The next JSON message of that `type`; others before it are skipped. */
  async jsonOfType(type: string, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<JsonObject> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const value = await this.json(Math.max(1, deadline - performance.now()));
      if (value.type === type) return value;
    }
  }

  /** The next JSON message of each `type`, whichever comes first; others before them are skipped. */
  async jsonOfEach<const Types extends readonly string[]>(
    ...types: Types
  ): Promise<{ [At in keyof Types]: JsonObject }> {
    const found = new Map<string, JsonObject>();
    while (!types.every((type) => found.has(type))) {
      const value = await this.json();
      if (types.includes(String(value.type)) && !found.has(String(value.type))) found.set(String(value.type), value);
    }
    return types.map((type) => found.get(type)) as { [At in keyof Types]: JsonObject };
  }

  /** Messages that arrived and were not handed out. */
  get pendingMessages(): number {
    return this.#messages.length;
  }

  /** Resolves at the server's close frame, or at the end of the TCP connection without one. */
  closed(timeoutMs?: number): Promise<Closed> {
    return this.until(
      "the close",
      () => this.#closeFrame ?? (this.#ended ? { code: 1006, reason: "" } : undefined),
      timeoutMs,
    );
  }

  /** Resolves when the TCP connection has ended. */
  async ended(timeoutMs?: number): Promise<void> {
    await this.until("the end of the connection", () => (this.#ended ? true : undefined), timeoutMs);
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** Waits until `probe` gives a value; it is asked again after everything that arrives. */
  until<T>(what: string, probe: () => T | undefined, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const check = (): boolean => {
        const value = probe();
        if (value === undefined && this.#violation === null) return false;
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        if (value !== undefined) resolve(value);
        else reject(this.#violation ?? new Error(`no ${what}`));
        return true;
      };
      const waiter: Waiter = { check };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`waited ${timeoutMs} ms for ${what}`));
      }, timeoutMs);
      this.#waiters.add(waiter);
      check();
    });
  }

  /** Stops reading, so that the server's bytes pile up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends FIN and keeps reading what still comes. */
  endWriting(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#end();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async #next<T>(what: string, timeoutMs: number | undefined, take: () => T | undefined): Promise<T> {
    const ended = Symbol("ended");
    const value = await this.until<T | typeof ended>(
      what,
      () => take() ?? (this.#ended ? ended : undefined),
      timeoutMs,
    );
    if (typeof value !== "symbol") return value;
    const close = this.#closeFrame;
    throw new Error(`the connection ended (${close?.code ?? 1006} ${close?.reason ?? ""}) before ${what}`);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#framed) this.#takeResponses();
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter.check();
  }

  #receive(chunk: Buffer): void {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    try {
      if (!this.#framed) this.#takeResponses();
      if (this.#framed) this.#takeFrames();
    } catch (error) {
      this.#violation = error instanceof Error ? error : new Error(String(error));
      this.#socket.destroy();
    }
    this.#wake();
  }

  #takeResponses(): void {
    while (!this.#framed) {
      const parsed = parseResponse(this.#input, this.#headRequest, this.#ended);
      if (parsed === null) return;
      this.#input = this.#input.subarray(parsed.length);
      this.#responses.push(parsed.response);
      this.#framed = parsed.response.status === 101;
    }
  }

  #takeFrames(): void {
    for (;;) {
      const parsed = parseFrame(this.#input);
      if (parsed === null) return;
      this.#input = this.#input.subarray(parsed.length);
      if (this.#frames.length >= MAX_KEPT_FRAMES) this.#frames.shift();
      this.#frames.push(parsed.frame);
      this.#handle(parsed.frame);
    }
  }

  #handle(frame: ReceivedFrame): void {
    switch (frame.opcode) {
      case OPCODE.ping:
        this.receivedPings++;
        if (this.#autoPong) this.pong(frame.payload);
        return;
      case OPCODE.pong:
        this.receivedPongs++;
        return;
      case OPCODE.close:
        this.#handleClose(frame.payload);
        return;
      case OPCODE.continuation:
        if (this.#fragments.length === 0) throw new Error("the server continued no message");
        break;
      case OPCODE.text:
      case OPCODE.binary:
        if (this.#fragments.length > 0) throw new Error("the server began a message inside another");
        this.#fragmentsOpcode = frame.opcode;
        break;
      default:
        throw new Error(`the server sent opcode ${frame.opcode}`);
    }
    this.#fragments.push(frame.payload);
    if (!frame.fin) return;
    const message = this.#fragments.length === 1 ? frame.payload : Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#messages.push(this.#fragmentsOpcode === OPCODE.text ? decodeUtf8(message) : message);
  }

  #handleClose(payload: Buffer): void {
    if (payload.length === 1) throw new Error("the server sent a close frame of one byte");
    this.#closeFrame ??=
      payload.length === 0
        ? { code: 1005, reason: "" }
        : { code: payload.readUInt16BE(0), reason: decodeUtf8(payload.subarray(2)) };
    if (!this.#autoClose || this.#closeSent) return;
    this.#closeSent = true;
    this.frame({ opcode: OPCODE.close, payload: payload.subarray(0, 2) });
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
