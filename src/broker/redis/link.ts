import * as v from "valibot";
import type { Clock } from "../../observe/clock.ts";
import { addressName, type RedisAddress } from "./address.ts";
import { type Client, isRefusal, RedisConnection } from "./connection.ts";
import { MasterWatch } from "./master-watch.ts";
import type { More, Script } from "./script.ts";

/** Longer messages on the bus are none of ours. */
export const MAX_BUS_LENGTH = 1_048_576;
const PROBE_MS = 1_000;
/** A bus that has not brought our own probe by then is deaf, whatever its connection says. */
const DEAF_AFTER_MS = 3_000;
/** Channels in one SUBSCRIBE: a node with many topics is not to block Redis. */
const CHANNELS_PER_COMMAND = 512;
const TICK_MS = 250;
/** What a Redis says that takes nothing, or not yet. */
const UNFIT = /^(?:READONLY|LOADING|MASTERDOWN)/;

export interface LinkOptions {
  readonly address: RedisAddress;
  readonly clock: Clock;
  /** Told of every change: for the log. */
  readonly report: (fields: { readonly redis: string; readonly up: boolean; readonly reason?: string }) => void;
}

/** What is known of the process at the other end. */
export interface Server {
  /** Another after every restart: what it had acknowledged before may be gone. */
  readonly runId: string;
  readonly evictionPolicy: string;
}

/** Nothing is asked of such a Redis. */
class UnfitError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

type Listener = (message: string) => void;
type Taught = Pick<Script<never, never>, "source">;

/**
 * What a node has to one Redis: a connection for commands and one that is subscribed to the bus. It is up while both work, which the bus shows by
 * bringing the node's own probe every second. Whoever keeps something that the bus tells reads it anew in `onUp`.
 */
export class RedisLink {
  /** That of its address. */
  readonly name: string;
  /** Before every key. */
  readonly prefix: string;
  /** Before every channel. Redis has one set of channels for all its databases. */
  readonly channelPrefix: string;
  readonly #clock: Clock;
  readonly #report: LinkOptions["report"];
  readonly #commands: RedisConnection;
  readonly #bus: RedisConnection;
  readonly #watch: MasterWatch;
  readonly #channels = new Map<string, Listener>();
  /** Those that a new connection of the bus has been told of, while it is being made. */
  #subscribed = new Set<string>();
  readonly #onUp: (() => void)[] = [];
  readonly #taught: Taught[] = [];
  readonly #probeChannel: string;
  #server: Server | null = null;
  #isUp = false;
  #probedAtMs = 0;
  #heardAtMs = 0;
  #roundTripMs = 0;
  #ups = 0;
  #oversized = 0;
  #cancel: () => void = () => undefined;

  constructor({ address, clock, report }: LinkOptions) {
    this.name = addressName(address);
    this.prefix = address.prefix;
    this.channelPrefix = address.database === 0 ? address.prefix : `${address.prefix}db${address.database}:`;
    this.#clock = clock;
    this.#report = report;
    this.#probeChannel = `${this.channelPrefix}probe:${crypto.randomUUID()}`;
    this.#commands = new RedisConnection(address, clock, {
      prepare: (client, goesOn) => this.#identify(client, goesOn),
      up: () => this.#changed(),
      down: (reason) => this.#changed(reason),
    });
    this.#bus = new RedisConnection(address, clock, {
      prepare: (client, goesOn) => this.#resubscribe(client, goesOn),
      up: () => {
        this.#settleChannels();
        this.#changed();
      },
      down: (reason) => this.#changed(reason),
    });
    this.#watch = new MasterWatch(address, clock, [this.#commands, this.#bus]);
    this.#channels.set(this.#probeChannel, () => this.#heard());
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** The run id of the Redis that commands go to; "" before there was one. */
  get runId(): string {
    return this.#server?.runId ?? "";
  }

  get server(): Server | null {
    return this.#server;
  }

  /** How long the last probe took through the bus. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** How often it has come back. */
  get reconnects(): number {
    return Math.max(0, this.#ups - 1);
  }

  /** Messages of the bus that were too long to be looked at. */
  get oversized(): number {
    return this.#oversized;
  }

  get inFlight(): number {
    return this.#commands.inFlight;
  }

  /** Returns when the first attempts have ended, well or not: from then on it looks after itself. */
  async start(): Promise<void> {
    await Promise.all([this.#commands.start(), this.#bus.start()]);
    this.#tick();
    this.#watch.start();
  }

  stop(): void {
    this.#cancel();
    this.#watch.stop();
    this.#isUp = false;
    this.#commands.stop();
    this.#bus.stop();
  }

  /** Called whenever both connections work again, the first time too. What happened on the bus before is not known. */
  onUp(run: () => void): void {
    this.#onUp.push(run);
  }

  /**
   * Loads a script on each new connection, before any command. One that is sent whole only when Redis does not know it is behind what was sent
   * meanwhile, if another node has made it known in between. To be called before `start`.
   */
  teach(script: Taught): void {
    this.#taught.push(script);
  }

  /** Rejects UNAVAILABLE when there is no answer, or with the library's error when Redis refuses (`isRefusal`). */
  command(args: readonly string[]): Promise<unknown> {
    return this.#commands.command(args).catch((error: unknown) => this.#fail(error));
  }

  /** The same for a script, which is sent whole when this Redis does not know it. */
  run<K extends string, A extends string>(
    script: Script<K, A>,
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, string>>,
    more?: More,
  ): Promise<unknown> {
    const command = script.command(keys, args, more);
    return this.#commands.command(command).catch((error: unknown) => {
      if (!isRefusal(error) || !error.message.startsWith("NOSCRIPT")) return this.#fail(error);
      return this.command(["EVAL", script.source, ...command.slice(2)]);
    });
  }

  /** One listener per channel. Resolves once Redis says so; while there is no connection it is made up for by the next one. */
  async subscribe(channel: string, listener: Listener): Promise<void> {
    this.#channels.set(channel, listener);
    await this.#bus.client?.subscribe(channel, this.#dispatch);
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel);
    // With the listener: without it the library takes the channel for subscribed until Redis answers, and would not subscribe it again meanwhile.
    void this.#bus.client?.unsubscribe(channel, this.#dispatch).catch(() => undefined);
  }

  #fail(error: unknown): never {
    // A master that became a replica takes nothing more: the next connection asks who the master is.
    const unfit = isRefusal(error) ? UNFIT.exec(error.message) : null;
    if (unfit !== null) this.#commands.reset(unfit[0]);
    throw error;
  }

  async #identify(client: Client, goesOn: () => void): Promise<void> {
    const info = v.parse(v.string(), await client.sendCommand(["INFO"]));
    goesOn();
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
    if (field("role") !== "master") throw new UnfitError("READONLY");
    // The keys of a script may be on several of its nodes.
    if (field("redis_mode") === "cluster") throw new UnfitError("CLUSTER");
    // It would refuse every command until it has read its files.
    if (field("loading") === "1") throw new UnfitError("LOADING");
    for (const { source } of this.#taught) {
      // Who may not load scripts can still send them whole.
      await client.sendCommand(["SCRIPT", "LOAD", source]).catch((error: unknown) => {
        if (!isRefusal(error)) throw error;
      });
    }
    this.#server = { runId: field("run_id"), evictionPolicy: field("maxmemory_policy") };
  }

  async #resubscribe(client: Client, goesOn: () => void): Promise<void> {
    this.#subscribed = new Set();
    // More may be wanted while some are being subscribed.
    for (let channels = this.#missing(); channels.length > 0; channels = this.#missing()) {
      for (let at = 0; at < channels.length; at += CHANNELS_PER_COMMAND) {
        const part = channels.slice(at, at + CHANNELS_PER_COMMAND);
        for (const channel of part) this.#subscribed.add(channel);
        await client.subscribe(part, this.#dispatch);
        goesOn();
      }
    }
    this.#heardAtMs = this.#clock.monotonic();
    this.#probedAtMs = this.#heardAtMs;
  }

  /** From here on whoever wants a channel, or gives one up, says so itself: what was said before that went nowhere. */
  #settleChannels(): void {
    const { client } = this.#bus;
    const missing = this.#missing();
    const surplus = [...this.#subscribed].filter((channel) => !this.#channels.has(channel));
    this.#subscribed = new Set();
    if (missing.length > 0)
      void client?.subscribe(missing, this.#dispatch).then(
        () => this.#changed(),
        () => undefined,
      );
    if (surplus.length > 0) void client?.unsubscribe(surplus, this.#dispatch).catch(() => undefined);
  }

  #missing(): string[] {
    return [...this.#channels.keys()].filter((channel) => !this.#subscribed.has(channel));
  }

  readonly #dispatch = (message: string, channel: string): void => {
    if (message.length <= MAX_BUS_LENGTH) this.#channels.get(channel)?.(message);
    else this.#oversized += 1;
  };

  #changed(reason?: string): void {
    const isUp = this.#commands.isUp && this.#bus.isUp;
    if (reason !== undefined || isUp !== this.#isUp) {
      this.#report({ redis: this.name, up: isUp, ...(reason !== undefined && { reason }) });
    }
    this.#isUp = isUp;
    if (!isUp) return;
    this.#ups += 1;
    for (const run of this.#onUp) run();
  }

  #heard(): void {
    this.#heardAtMs = this.#clock.monotonic();
    this.#roundTripMs = this.#heardAtMs - this.#probedAtMs;
  }

  #tick(): void {
    this.#cancel = this.#clock.after(TICK_MS, () => this.#tick());
    const nowMs = this.#clock.monotonic();
    if (!this.#isUp) return;
    if (this.#probedAtMs - this.#heardAtMs >= DEAF_AFTER_MS) return this.#bus.reset("the bus is deaf");
    if (nowMs - this.#probedAtMs < PROBE_MS) return;
    this.#probedAtMs = nowMs;
    this.command(["PUBLISH", this.#probeChannel, ""]).catch(() => undefined);
  }
}
