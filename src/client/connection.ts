import type { Clock } from "../observe/clock.ts";
import type { ClientEvents } from "./client.ts";
import { BACKOFF, STABLE_MS } from "./backoff.ts";
import { MOVES, type State, type Trigger } from "./connection-state.ts";
import { addressOf, secretOf } from "./credential.ts";
import type { Emitter } from "./emitter.ts";
import { type ErrorFacts, TautlineError } from "./error.ts";
import { type Frame, isFrame, isObject, NO_FRAME } from "./frame.ts";
import { type Framing, jsonFraming } from "./framing.ts";
import type { ConnectOptions } from "./options.ts";
import { GRACE_MS, type Heartbeat, silence } from "./silence.ts";
import type { Socket, SocketEvent, SocketEventType } from "./socket.ts";
import type { Status } from "./status.ts";
import { type Refusal, type Verdict, verdictOf, waitMs } from "./verdict.ts";

/** What a connection tells. */
export interface ConnectionPorts extends Pick<Emitter<ClientEvents>, "emit"> {
  greeted(): void;
  again(run: () => void): void;
  receive(frame: Frame): void;
  lost(): void;
  ended(): void;
}

const CONNECT_TIMEOUT_MS = 20_000;
const CLOSED_WITHIN_MS = 1_000;
const REFRESH_ID = "refresh";
const TOKEN_FAILED = "TOKEN_FAILED";
/** When the network may have changed: a connection that does not answer now is dead. */
const AT_ONCE = { intervalMs: 0, timeoutMs: 0 };

/** One connection at a time, made again for as long as it is worth it. What follows on what is in the table of `connection-state.ts`. */
export class Connection {
  readonly #url: URL;
  readonly #options: ConnectOptions;
  readonly #ports: ConnectionPorts;
  readonly #clock: Clock;
  #state: State = "waiting";
  status: Status = { state: "connecting", attempt: 0 };
  #attempt = 0;
  /** Tells the answers of an earlier attempt. */
  #serial = 0;
  #verdict = verdictOf();
  #refusal: Refusal | undefined;
  #secret = "";
  #refusedSecret: string | undefined;
  #framing: Framing = jsonFraming;
  #socket: Socket | undefined;
  #greeting = NO_FRAME;
  #greetedMs = 0;
  #heardMs = 0;
  #askedMs: number | null = null;
  #cancel: (() => void) | undefined;

  constructor(url: string, options: ConnectOptions, clock: Clock, ports: ConnectionPorts) {
    this.#url = new URL(url.replace(/^http/, "ws"));
    this.#options = options;
    this.#ports = ports;
    this.#clock = clock;
  }

  get isConnected(): boolean {
    return this.#state === "connected";
  }

  /** False when the frame is larger than the node takes. */
  send(json: string): boolean {
    const data = this.#framing.encode(json);
    if (new Blob([data]).size > (this.#greeting.limits?.maxMessageBytes ?? Infinity)) return false;
    this.#socket?.send(data);
    return true;
  }

  trigger(trigger: Trigger, verdict?: Verdict): void {
    const was = this.#state;
    const next = MOVES[was][trigger];
    if (!next) return;
    this.#state = next;
    this.#verdict = verdict ?? this.#verdict;
    if (next === "asking" && trigger !== "due") this.#attempt = 0;
    const socket = this.#socket;
    if (next === "waiting" || next === "closed") {
      this.#socket = undefined;
      // 1000 says goodbye to the rooms at once; any other code leaves time to come back.
      socket?.close(next === "closed" ? 1000 : 4090);
    }
    if (next === was) {
      this.#askedMs = null;
      return this.#beat(AT_ONCE);
    }
    if (was === "connected") {
      if (this.#clock.monotonic() - this.#greetedMs >= STABLE_MS) this.#attempt = 0;
      this.#ports.lost();
    }
    this.#enter[next]?.();
  }

  /** Settles once the connection is closed, or does not say so in time. */
  close(): Promise<void> {
    const socket = this.#socket;
    this.trigger("close", verdictOf(1000));
    return new Promise((resolve) => {
      if (!socket) return resolve();
      this.#timer(CLOSED_WITHIN_MS, resolve);
      socket.addEventListener("close", () => {
        this.#cancel?.();
        resolve();
      });
    });
  }

  /** What a state begins with. */
  readonly #enter: Readonly<Partial<Record<State, () => unknown>>> = {
    asking: () => {
      this.#setStatus({ state: "connecting", attempt: this.#attempt });
      this.#timer(this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, () => this.trigger("lost", verdictOf()));
      void this.#ask(++this.#serial);
    },
    /** What throws here is the token: one of characters that a subprotocol cannot have. */
    opening: () => {
      const { WebSocket: Given = WebSocket } = this.#options;
      this.#refusal = undefined;
      const { url, protocols, auth } = addressOf(this.#url, this.#options, this.#framing.subprotocol, this.#secret);
      const socket: Socket = new Given(url, protocols);
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      const listen = (type: SocketEventType, run: (event: SocketEvent) => void): void =>
        socket.addEventListener(type, (event) => socket === this.#socket && run(event));
      listen("open", () => {
        this.trigger("opened");
        if (auth) this.send(auth);
      });
      listen("message", ({ data }) => this.#receive(data));
      // All that Node 22 says of an upgrade that failed; elsewhere a close follows. Without a listener the package `ws` would throw.
      listen("error", () => this.#state === "opening" && this.#closed());
      listen("close", ({ code, reason }) => this.#closed(code, reason));
    },
    connected: () => {
      const { connectionId, nodeId, user } = this.#greeting;
      this.#greetedMs = this.#heardMs;
      this.#beat();
      // First, so that a topic that a listener joins is not joined once more.
      this.#ports.greeted();
      this.#setStatus({ state: "connected", connectionId, nodeId, user });
    },
    waiting: () => {
      const attempt = this.#attempt;
      const { backoff, random = Math.random } = this.#options;
      const ms = waitMs(this.#verdict, { ...BACKOFF, ...backoff }, attempt, random());
      this.#attempt += 1;
      this.#timer(ms, () => this.trigger("due"));
      this.#setStatus({ state: "waiting", attempt, until: this.#clock.now() + ms, why: this.#verdict.why });
    },
    refused: () => this.#end(),
    closed: () => this.#end(),
  };

  async #ask(serial: number): Promise<void> {
    try {
      if (this.#options.format === "msgpack") this.#framing = (await import("./msgpack-framing.ts")).msgpackFraming;
      const secret = await secretOf(this.#options);
      if (serial !== this.#serial) return;
      this.#secret = secret;
      this.trigger("given");
    } catch (thrown) {
      if (serial !== this.#serial) return;
      // What a WebSocket throws that cannot be made says the token.
      const cause = this.#state === "asking" ? thrown : undefined;
      const retryAfterMs = isObject<Partial<Response> & Refusal>(cause)
        ? Number(cause.headers?.get("retry-after")) * 1_000 || cause.retryAfterMs
        : undefined;
      const error = new TautlineError(TOKEN_FAILED, { cause, retryAfterMs });
      this.#ports.emit("error", error);
      this.trigger("lost", verdictOf(0, "", error));
    }
  }

  #closed(code?: number, reason?: string): void {
    this.#socket = undefined;
    // Some WebSockets name a code of their own for an upgrade that was refused.
    const verdict = this.#state === "opening" ? verdictOf() : verdictOf(code, reason, this.#refusal);
    let isFinal = verdict.then === "stop";
    if (verdict.then === "new-token") {
      // The same token again would be refused again.
      isFinal = this.#secret === this.#refusedSecret;
      this.#refusedSecret = this.#secret;
    }
    this.trigger(isFinal ? "stopped" : "lost", verdict);
  }

  #end(): void {
    this.#serial += 1;
    this.#cancel?.();
    this.#setStatus({ state: "closed", ...this.#verdict.why });
    this.#ports.ended();
  }

  #receive(data: unknown): void {
    this.#heardMs = this.#clock.monotonic();
    this.#askedMs = null;
    let frame: unknown;
    try {
      frame = this.#framing.decode(data);
    } catch (cause) {
      this.#error("BAD_FRAME", { cause });
    }
    if (!isFrame(frame)) return;
    const { type, id, code = "INTERNAL" } = frame;
    if (type === "connected" || type === "auth_success") {
      this.#greeting = frame;
      this.trigger("greeted");
    } else if (type === "auth_error" || type === "server_draining") this.#refusal = frame;
    else if (type === "ping") this.send('{"type":"pong"}');
    else if (type === "auth_expiring") void this.#refresh();
    else if (id === REFRESH_ID) {
      if (type === "error") this.#refreshFailed(code);
    } else this.#ports.receive(frame);
  }

  /** Asks when it is silent, and hangs up when it stays so. */
  #beat(terms: Heartbeat = this.#greeting.heartbeat ?? AT_ONCE): void {
    const nowMs = this.#clock.monotonic();
    let leftMs = silence({ heardMs: this.#heardMs, askedMs: this.#askedMs }, terms, nowMs);
    if (leftMs <= 0) {
      if (this.#askedMs !== null) return this.trigger("lost", verdictOf(4090));
      this.#askedMs = nowMs;
      this.send('{"type":"ping"}');
      leftMs = GRACE_MS;
    }
    this.#timer(leftMs, () => this.#beat(this.#askedMs === null ? undefined : terms));
  }

  async #refresh(): Promise<void> {
    const socket = this.#socket;
    // A ticket opens connections; the next one is asked for when this one has ended.
    if (this.#options.ticket) return;
    try {
      const token = await secretOf(this.#options);
      if (socket !== this.#socket) return;
      this.#secret = token;
      this.send(JSON.stringify({ type: "refresh", id: REFRESH_ID, token }));
    } catch (cause) {
      if (socket === this.#socket) this.#refreshFailed(TOKEN_FAILED, cause);
    }
  }

  #refreshFailed(code: string, cause?: unknown): void {
    this.#ports.again(() => void this.#refresh());
    this.#error(code, { cause });
  }

  #error(code: string, facts: ErrorFacts): void {
    this.#ports.emit("error", new TautlineError(code, facts));
  }

  #timer(ms: number, run: () => void): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(ms, run);
  }

  #setStatus(status: Status): void {
    this.status = status;
    this.#ports.emit("status", status);
  }
}
