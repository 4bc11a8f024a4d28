import type { Clock } from "../../observe/clock.ts";
import type { RedisAddress } from "./address.ts";
import { type HostAndPort, masterOf } from "./sentinel.ts";

const WATCH_MS = 1_000;
const ANSWER_MS = 1_000;

/** A connection, as far as it has to be where the master is. */
interface Watched {
  /** What it is connected to; null while it is not. */
  readonly at: HostAndPort | null;
  reset(reason: string): void;
}

/**
 * Asks the Sentinels every second whether the master is still the same one. The old one may be reachable for a minute after a failover, and takes
 * messages that are lost as soon as it becomes a replica.
 */
export class MasterWatch {
  readonly #address: RedisAddress;
  readonly #clock: Clock;
  readonly #connections: readonly Watched[];
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(address: RedisAddress, clock: Clock, connections: readonly Watched[]) {
    this.#address = address;
    this.#clock = clock;
    this.#connections = connections;
  }

  /** Without Sentinels there is nothing to watch. */
  start(): void {
    if (this.#address.masterName === null || this.#isStopped) return;
    this.#cancel = this.#clock.after(WATCH_MS, () => {
      void this.#look().finally(() => this.start());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    // Nobody answers: whatever works goes on.
    const master = await masterOf(this.#address, ANSWER_MS).catch(() => null);
    if (master === null || this.#isStopped) return;
    for (const connection of this.#connections) {
      const { at } = connection;
      if (at !== null && (at.host !== master.host || at.port !== master.port)) connection.reset("another master");
    }
  }
}
