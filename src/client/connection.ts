import type { Clock } from "../observe/clock.ts";
import { BACKOFF, type Backoff, STABLE_MS } from "./backoff.ts";
import { type Effect, MOVES, type State, type Trigger } from "./connection-state.ts";
import { type Address, addressOf, secretOf } from "./credential.ts";
import { TautlineError } from "./error.ts";
import { count, type Frame, isFrame, isObject, text } from "./frame.ts";
import { type Framing, loadFraming } from "./framing.ts";
import type { ConnectOptions } from "./options.ts";
import { silence } from "./silence.ts";
import type { Socket, SocketConstructor } from "./socket.ts";
import type { Identity, Status } from "./status.ts";
import { milliseconds, type Refusal, type Verdict, verdictOf, waitMs } from "./verdict.ts";

export interface ConnectionPorts {
  readonly status: (status: Status) => void;
  readonly error: (error: TautlineError) => void;
  readonly greeted: (greeting: Frame) => void;
  readonly frame: (frame: Frame) => void;
  readonly lost: () => void;
  /** Nothing is tried any more. */
  readonly ended: () => void;
}

const CONNECT_TIMEOUT_MS = 20_000;
const REFRESH_AGAIN_MS = 5_000;
const CLOSED_WITHIN_MS = 1_000;
const REFRESH_ID = "refresh";
/** When the network has changed: a connection that does not answer now is dead. */
const AT_ONCE = { intervalMs: 0, timeoutMs: 0 };
const NOBODY: Identity = { id: "", username: "", name: "", roles: [], permissions: [] };

/** One connection at a time, made again for as long as it is worth it. What happens is in the table of `connection-state.ts`. */
export class Connection {
  readonly #url: string;
  readonly #options: ConnectOptions;
  readonly #ports: ConnectionPorts;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  readonly #WebSocket: SocketConstructor;
  #state: State = "waiting";
  #status: Status = { state: "connecting", attempt: 0 };
  #attempt = 0;
  /** Tells the answers of an earlier attempt. */
  #serial = 0;
  #verdict = verdictOf(1006, "");
  #refusal: Refusal | undefined;
  #secret = "";
  #refusedSecret: string | null = null;
  #framing: Framing | null = null;
  #address: Address | null = null;
  #socket: Socket | null = null;
  #greeting: Frame = { type: "" };
  #terms = { intervalMs: 30_000, timeoutMs: 90_000 };
  #maxLength = Infinity;
  #greetedMs = 0;
  #heardMs = 0;
  #askedMs: number | null = null;
  #cancel: () => void = () => undefined;
  #cancelRefresh: () => void = () => undefined;

  constructor(url: string, options: ConnectOptions, clock: Clock, ports: ConnectionPorts) {
    this.#url = url;
    this.#options = options;
    this.#ports = ports;
    this.#clock = clock;
    this.#random = options.random ?? Math.random;
    this.#backoff = { ...BACKOFF, ...options.backoff };
    this.#WebSocket = options.WebSocket ?? WebSocket;
  }

  get status(): Status {
    return this.#status;
  }

  get isConnected(): boolean {
    return this.#state === "connected";
  }

  /** False when the frame is larger than the node takes. */
  send(json: string): boolean {
    const data = this.#framing?.encode(json) ?? json;
    const bytes = typeof data === "string" ? new TextEncoder().encode(data).length : data.length;
    if (bytes > this.#maxLength) return false;
    this.#socket?.send(data);
    return true;
  }

  trigger(trigger: Trigger): void {
    const move = MOVES[this.#state][trigger];
    if (move === undefined) return;
    if (trigger === "online" || trigger === "reconnectNow") this.#attempt = 0;
    if (trigger === "late") this.#verdict = verdictOf(this.isConnected ? 4090 : 1006, "");
    if (trigger === "close") this.#verdict = verdictOf(1000, "");
    const wasConnected = this.isConnected;
    const [next, ...effects] = move;
    this.#state = next;
    if (wasConnected && !this.isConnected) this.#disconnected();
    for (const effect of effects) this.#effects[effect]();
  }

  /** Settles once the connection is closed, or cannot be. */
  close(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      if (socket === null) resolve();
      else {
        socket.addEventListener("close", () => resolve());
        this.#clock.after(CLOSED_WITHIN_MS, resolve);
      }
      this.trigger("close");
    });
  }

  readonly #effects: Readonly<Record<Effect, () => void>> = {
    ask: () => {
      this.#setStatus({ state: "connecting", attempt: this.#attempt });
      this.#timer(this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, () => this.trigger("late"));
      void this.#ask(++this.#serial);
    },
    open: () => this.#open(),
    introduce: () => {
      if (this.#address?.auth) this.send(this.#address.auth);
    },
    resume: () => this.#resume(),
    probe: () => {
      this.#askedMs = null;
      this.#beat(AT_ONCE);
    },
    drop: () => {
      const socket = this.#socket;
      this.#socket = null;
      // 1000 says goodbye to the rooms at once; any other code leaves time to come back.
      socket?.close(this.#state === "closed" ? 1000 : 4090);
    },
    wait: () => this.#wait(),
    end: () => {
      this.#cancel();
      this.#setStatus({ state: "closed", ...this.#verdict.why });
      this.#ports.ended();
    },
  };

  async #ask(serial: number): Promise<void> {
    try {
      this.#framing ??= await loadFraming(this.#options.format ?? "json");
      const secret = await secretOf(this.#options);
      if (serial !== this.#serial) return;
      this.#secret = secret;
      this.trigger("given");
    } catch (cause) {
      if (serial !== this.#serial) return;
      const retryAfterMs = advised(cause);
      this.#verdict = { ...verdictOf(1006, ""), why: { code: 0, name: "TOKEN_FAILED", reason: "" }, retryAfterMs };
      this.#ports.error(new TautlineError("TOKEN_FAILED", { cause, retryAfterMs }));
      this.trigger("failed");
    }
  }

  #open(): void {
    this.#refusal = undefined;
    try {
      const address = addressOf(this.#url, this.#options, this.#framing?.subprotocol ?? "", this.#secret);
      const socket = new this.#WebSocket(address.url, address.protocols);
      this.#address = address;
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      const ifCurrent = (act: () => void) => () => socket === this.#socket && act();
      socket.addEventListener(
        "open",
        ifCurrent(() => this.trigger("opened")),
      );
      socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(data));
      // All that Node 22 says of an upgrade that failed; elsewhere a close follows. Without a listener the package `ws` would throw.
      socket.addEventListener(
        "error",
        ifCurrent(() => this.#state === "opening" && this.#closed(1006, "")),
      );
      socket.addEventListener("close", ({ code = 1006, reason = "" }) => {
        if (socket === this.#socket) this.#closed(code, reason);
      });
    } catch (cause) {
      this.#ports.error(new TautlineError("BAD_ADDRESS", { cause }));
      this.#verdict = { then: "stop", why: { code: 0, name: "BAD_ADDRESS", reason: "" }, retryAfterMs: 0 };
      this.trigger("stopped");
    }
  }

  #closed(code: number, reason: string): void {
    this.#socket = null;
    // Some WebSockets name a code of their own for an upgrade that was refused.
    const wasOpen = this.#state !== "opening";
    this.#verdict = wasOpen ? verdictOf(code, reason, this.#refusal) : verdictOf(1006, "");
    this.trigger(this.#isFinal(this.#verdict) ? "stopped" : "lost");
  }

  /** The same token again would be refused again. */
  #isFinal({ then }: Verdict): boolean {
    if (then !== "new-token") return then === "stop";
    const isSame = this.#secret === this.#refusedSecret;
    this.#refusedSecret = this.#secret;
    return isSame;
  }

  #wait(): void {
    const attempt = this.#attempt;
    const ms = waitMs(this.#verdict, this.#backoff, attempt, this.#random());
    this.#attempt += 1;
    this.#setStatus({ state: "waiting", attempt, until: this.#clock.now() + ms, why: this.#verdict.why });
    this.#timer(ms, () => this.trigger("due"));
  }

  #resume(): void {
    const greeting = this.#greeting;
    const { heartbeat, limits } = greeting;
    if (isObject(heartbeat))
      this.#terms = {
        intervalMs: count(heartbeat["intervalMs"], this.#terms.intervalMs),
        timeoutMs: count(heartbeat["timeoutMs"], this.#terms.timeoutMs),
      };
    this.#maxLength = isObject(limits) ? count(limits["maxMessageBytes"], Infinity) : Infinity;
    this.#greetedMs = this.#clock.monotonic();
    this.#beat();
    this.#greet(greeting["expiresAt"]);
    this.#ports.greeted(greeting);
  }

  #greet(expiresAt: unknown): void {
    const { connectionId, nodeId, user } = this.#greeting;
    this.#setStatus({
      state: "connected",
      connectionId: text(connectionId),
      nodeId: text(nodeId),
      user: isIdentity(user) ? user : NOBODY,
      expiresAt: typeof expiresAt === "number" ? expiresAt : null,
    });
  }

  #receive(data: unknown): void {
    this.#heardMs = this.#clock.monotonic();
    this.#askedMs = null;
    let frame: unknown;
    try {
      frame = this.#framing?.decode(data);
    } catch (cause) {
      return this.#ports.error(new TautlineError("BAD_FRAME", { cause }));
    }
    if (!isFrame(frame)) return;
    const { type, id } = frame;
    if (type === "connected" || type === "auth_success") {
      this.#greeting = frame;
      this.trigger("greeted");
    } else if (type === "auth_error") {
      this.#refusal = { code: text(frame["code"]), retryAfterMs: milliseconds(frame["retryAfterMs"]) };
    } else if (type === "ping") this.send('{"type":"pong"}');
    else if (type === "auth_expiring") void this.#refresh(this.#serial);
    else if (type === "auth_refreshed") this.#greet(frame["expiresAt"]);
    else if (type === "error" && id === REFRESH_ID) this.#refreshFailed(new TautlineError(text(frame["code"])));
    else this.#ports.frame(frame);
  }

  /** Asks when it is silent, and hangs up when it stays so. */
  #beat(terms = this.#terms): void {
    const nowMs = this.#clock.monotonic();
    const { act, inMs } = silence({ heardMs: this.#heardMs, askedMs: this.#askedMs }, terms, nowMs);
    if (act === "dead") return this.trigger("late");
    if (act === "ping") {
      this.#askedMs = nowMs;
      this.send('{"type":"ping"}');
    }
    const next = this.#askedMs === null ? this.#terms : terms;
    this.#timer(inMs, () => this.#beat(next));
  }

  async #refresh(serial: number): Promise<void> {
    // A ticket opens connections; the next one is asked for when this one has ended.
    if (this.#options.token === undefined) return;
    try {
      const token = await secretOf(this.#options);
      if (serial !== this.#serial || !this.isConnected) return;
      this.#secret = token;
      this.send(JSON.stringify({ type: "refresh", id: REFRESH_ID, token }));
    } catch (cause) {
      if (serial === this.#serial) this.#refreshFailed(new TautlineError("TOKEN_FAILED", { cause }));
    }
  }

  #refreshFailed(error: TautlineError): void {
    this.#ports.error(error);
    const serial = this.#serial;
    this.#cancelRefresh = this.#clock.after(REFRESH_AGAIN_MS, () => void this.#refresh(serial));
  }

  #disconnected(): void {
    this.#cancelRefresh();
    if (this.#clock.monotonic() - this.#greetedMs >= STABLE_MS) this.#attempt = 0;
    this.#ports.lost();
  }

  #timer(ms: number, run: () => void): void {
    this.#cancel();
    this.#cancel = this.#clock.after(ms, run);
  }

  #setStatus(status: Status): void {
    this.#status = status;
    this.#ports.status(status);
  }
}

function isIdentity(value: unknown): value is Identity {
  return isObject(value) && "id" in value;
}

/** The `Retry-After` of a `Response` that was thrown, or the `retryAfterMs` of an error. */
function advised(cause: unknown): number {
  if (cause instanceof Response) return milliseconds(Number(cause.headers.get("retry-after")) * 1_000);
  return isObject(cause) ? milliseconds(cause["retryAfterMs"]) : 0;
}
