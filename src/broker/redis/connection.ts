import { createClient, ErrorReply } from "@redis/client";
import type { Clock } from "../../observe/clock.ts";
import { ProtocolError } from "../../protocol/codes.ts";
import type { RedisAddress } from "./address.ts";
import { type HostAndPort, masterOf } from "./sentinel.ts";
import { completeTracing } from "./tracing.ts";

/** A command that is not answered by then has failed, and its connection with it: answers come in order. */
export const COMMAND_TIMEOUT_MS = 2_000;
const CHECK_MS = 250;
const CONNECT_TIMEOUT_MS = 2_000;
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 2_000;
/** Commands that wait for their answers. */
const MAX_IN_FLIGHT = 20_000;

export type Client = ReturnType<typeof newClient>;

export interface ConnectionEvents {
  /**
   * A new connection, before anybody else may use it. What it rejects with ends the connection, and so does an answer that takes too long:
   * `goesOn` is called behind each.
   */
  prepare(client: Client, goesOn: () => void): Promise<void>;
  up(): void;
  /** Why, for the log: never a secret. */
  down(reason: string): void;
}

/**
 * One connection to a Redis, made again whenever it ends, each time as a new client of the library: what a connection stands for
 * (which process of Redis it talks to, what it is subscribed to) is found out anew before the first command. While there is none,
 * commands fail at once, and none is ever sent twice by itself.
 */
export class RedisConnection {
  readonly #address: RedisAddress;
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  #client: Client | null = null;
  #at: HostAndPort | null = null;
  #isUp = false;
  #isStopped = false;
  #failures = 0;
  #sent = 0;
  #settled = 0;
  /** How many had been sent at the checks of the last seconds: all of those must be settled by now. */
  #marks: { readonly sent: number; readonly atMs: number }[] = [];
  #cancel: () => void = () => undefined;

  constructor(address: RedisAddress, clock: Clock, events: ConnectionEvents) {
    this.#address = address;
    this.#clock = clock;
    this.#events = events;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get at(): HostAndPort | null {
    return this.#isUp ? this.#at : null;
  }

  /** Commands that wait for their answers. */
  get inFlight(): number {
    return this.#sent - this.#settled;
  }

  /** The library's client, for what is more than a command; null while there is no connection. */
  get client(): Client | null {
    return this.#isUp ? this.#client : null;
  }

  /** Returns when the first attempt has succeeded or failed; from then on it connects by itself. */
  async start(): Promise<void> {
    await this.#connect();
    this.#check();
  }

  /**
   * Sends a command; the answer is what the library makes of it. Rejects UNAVAILABLE when there is no connection, when it ends before the
   * answer, and when there are too many commands in flight; with the library's error when Redis refuses.
   */
  command(args: readonly string[]): Promise<unknown> {
    const client = this.#client;
    if (client === null || !this.#isUp || this.inFlight >= MAX_IN_FLIGHT) {
      return Promise.reject(new ProtocolError("UNAVAILABLE"));
    }
    return this.#track(client.sendCommand(args));
  }

  /** Gives up this connection; the next one is made at once. */
  reset(reason: string): void {
    if (!this.#isStopped && this.#client !== null) this.#end(this.#client, reason);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#isUp = false;
    this.#destroy(this.#client);
    this.#client = null;
  }

  #track(answer: Promise<unknown>): Promise<unknown> {
    this.#sent += 1;
    return answer.then(
      (value) => {
        this.#settled += 1;
        return value;
      },
      (error: unknown) => {
        this.#settled += 1;
        throw isRefusal(error) ? error : new ProtocolError("UNAVAILABLE");
      },
    );
  }

  async #connect(): Promise<void> {
    let client: Client | null = null;
    try {
      const at = await masterOf(this.#address, CONNECT_TIMEOUT_MS);
      if (this.#isStopped) return;
      client = newClient(this.#address, at);
      this.#client = client;
      this.#at = at;
      const made = client;
      // The library tells every listener that is there, and throws where there is none.
      client.on("error", (error: unknown) => this.#end(made, reasonOf(error)));
      await this.#make(made);
      // Ended while it was being made: nothing may come in by it any more.
      if (this.#client !== client || this.#isStopped) return this.#destroy(client);
      this.#failures = 0;
      this.#sent = 0;
      this.#settled = 0;
      this.#marks = [];
      this.#isUp = true;
      this.#events.up();
    } catch (error) {
      if (client === null) this.#retry(reasonOf(error));
      else this.#end(client, reasonOf(error));
    }
  }

  /**
   * The time limit of the library is for the TCP connection alone: a Redis that hangs would accept it. It is for each answer, not for all of them:
   * a node of many topics has much to say first.
   */
  async #make(client: Client): Promise<void> {
    let cancel = (): void => undefined;
    const goesOn = (): void => {
      cancel();
      cancel = this.#clock.after(CONNECT_TIMEOUT_MS, () => this.#end(client, "no answer to the first command"));
    };
    goesOn();
    try {
      await client.connect();
      goesOn();
      await this.#events.prepare(client, goesOn);
    } finally {
      cancel();
    }
  }

  #end(client: Client, reason: string): void {
    if (this.#client !== client) return;
    this.#client = null;
    this.#isUp = false;
    this.#destroy(client);
    if (!this.#isStopped) this.#retry(reason);
  }

  #destroy(client: Client | null): void {
    try {
      if (client?.isOpen === true) client.destroy();
    } catch {
      // It was about to end by itself.
    }
  }

  #retry(reason: string): void {
    if (this.#isStopped) return;
    this.#events.down(reason);
    this.#failures += 1;
    const mostMs = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(this.#failures, 10));
    this.#clock.after(mostMs / 2 + (Math.random() * mostMs) / 2, () => {
      if (!this.#isStopped && this.#client === null) void this.#connect();
    });
  }

  /** No timer per command: what had been sent two seconds ago must be settled. */
  #check(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#clock.after(CHECK_MS, () => this.#check());
    const nowMs = this.#clock.monotonic();
    const [oldest] = this.#marks;
    if (oldest !== undefined && nowMs - oldest.atMs >= COMMAND_TIMEOUT_MS) {
      if (this.#settled < oldest.sent) return this.reset("a command was not answered in time");
      this.#marks.shift();
    }
    if (this.#isUp) this.#marks.push({ sent: this.#sent, atMs: nowMs });
  }
}

function newClient(address: RedisAddress, at: { readonly host: string; readonly port: number }) {
  completeTracing();
  const socket = {
    host: at.host,
    port: at.port,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectStrategy: false,
  } as const;
  return createClient({
    socket: address.tls ? { ...socket, tls: true } : socket,
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    database: address.database,
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    // A timer per command, and only until it is written: `RedisConnection` has a limit of its own.
    commandOptions: { timeout: 0 },
  });
}

/** Redis has answered, and the answer is no. */
export function isRefusal(error: unknown): error is ErrorReply {
  return error instanceof ErrorReply;
}

/** Messages of the library and of sockets name hosts and codes; those of Redis may repeat what was sent, so only their first word counts. */
function reasonOf(error: unknown): string {
  if (isRefusal(error)) return /^[A-Z]+/.exec(error.message)?.[0] ?? "refused";
  if (!(error instanceof Error)) return "unknown";
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" ? code : error.constructor.name;
}
