import type { Clock } from "../observe/clock.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { reconnectDelayMs } from "./reconnects.ts";

export interface DrainOptions {
  /** How long the node still accepts after readiness went down, so that balancers may notice. */
  readonly drainDelayMs: number;
  /** Over how long the connections are closed. */
  readonly drainMs: number;
}

const BATCHES_PER_SECOND = 10;
/** Few connections are no herd: they are closed faster than over all of `drainMs`. */
const MAX_PAUSE_MS = 100;

/**
 * The end of a node, in steps (docs/protocol.md, "Drain"): not ready, still accepting; then refusing; then everyone is told; then
 * connections are closed in random order, in batches, each with its own delay. Calling it again joins the drain that runs.
 */
export class Drain {
  readonly #hub: Hub;
  readonly #clock: Clock;
  readonly #options: DrainOptions;
  readonly #log: (fields: object, message: string) => void;
  #done: Promise<void> | null = null;
  isReady = true;
  isRefusing = false;

  /** `log` is told of the begin and the end. */
  constructor(options: DrainOptions, hub: Hub, clock: Clock, log: (fields: object, message: string) => void) {
    this.#log = log;
    this.#options = options;
    this.#hub = hub;
    this.#clock = clock;
  }

  /** `graceMs` instead of the options' times: connections are closed over so long, the first at once. */
  start(graceMs: number | null = null): Promise<void> {
    this.#done ??= this.#run(graceMs ?? this.#options.drainMs, graceMs === null ? this.#options.drainDelayMs : 0);
    return this.#done;
  }

  #retryAfterMs(): number {
    return reconnectDelayMs(this.#hub.connections.size, Math.random());
  }

  async #run(drainMs: number, delayMs: number): Promise<void> {
    this.isReady = false;
    this.#log({ connections: this.#hub.connections.size, drainMs }, "draining");
    if (this.#hub.connections.size > 0) await this.#wait(delayMs);
    this.isRefusing = true;
    this.#hub.isDraining = true;
    const connections = shuffle([...this.#hub.connections]);
    for (const connection of connections) this.#announce(connection);
    await this.#closeAll(connections, drainMs);
    this.#log({ connections: this.#hub.connections.size }, "drained");
  }

  #announce(connection: Connection): void {
    if (connection.state !== "open") return;
    const retryAfterMs = this.#retryAfterMs();
    connection.send({ type: "server_draining", retryAfterMs, timestamp: this.#hub.clock.now() });
  }

  async #closeAll(connections: Connection[], drainMs: number): Promise<void> {
    const batches = Math.max(1, Math.floor((drainMs * BATCHES_PER_SECOND) / 1_000));
    const batchSize = Math.max(1, Math.ceil(connections.length / batches));
    const pauseMs = Math.min(MAX_PAUSE_MS, drainMs / Math.ceil(connections.length / batchSize));
    // The first batch at once: a node with one connection need not wait for the others.
    while (connections.length > 0) {
      for (const connection of connections.splice(0, batchSize)) this.#close(connection);
      if (this.#hub.connections.size === 0) return;
      await this.#wait(pauseMs);
    }
    // Whoever was still in the middle of its handshake when the list was made.
    for (const connection of [...this.#hub.connections]) this.#close(connection);
  }

  #close(connection: Connection): void {
    connection.close(1012, JSON.stringify({ retryAfterMs: this.#retryAfterMs() }));
  }

  #wait(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}

/** Fisher–Yates: every order is equally likely. */
function shuffle<T>(items: T[]): T[] {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    const item = items[last];
    const swapped = items[other];
    if (item !== undefined && swapped !== undefined) {
      items[last] = swapped;
      items[other] = item;
    }
  }
  return items;
}
