import { ProtocolError } from "../protocol/codes.ts";
import type { Connection } from "./connection.ts";

export interface PendingOptions {
  readonly maxPendingConnections: number;
  /** How long such a connection has: what a refused one is told to wait. */
  readonly authDeadlineMs: number;
}

const MAX_PENDING_PER_ADDRESS = 50;

/** The places for connections that have not said who they are yet: so many per node, and so many per address. */
export class PendingPlaces {
  readonly #options: PendingOptions;
  readonly #byAddress = new Map<string, number>();
  taken = 0;

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  /** Throws OVERLOADED or RATE_LIMITED when there is none. */
  enter(connection: Connection): void {
    const { maxPendingConnections, authDeadlineMs } = this.#options;
    const { key } = connection.client;
    const here = key === null ? 0 : (this.#byAddress.get(key) ?? 0);
    if (this.taken >= maxPendingConnections) throw new ProtocolError("OVERLOADED");
    if (here >= MAX_PENDING_PER_ADDRESS) {
      // By then every place of now is free again; not all who were refused come at once for them.
      const retryAfterMs = Math.ceil((authDeadlineMs * (1 + Math.random())) / 2);
      throw new ProtocolError("RATE_LIMITED", { retryAfterMs });
    }
    connection.holdsPendingPlace = true;
    this.taken += 1;
    if (key !== null) this.#byAddress.set(key, here + 1);
  }

  /** Does nothing for a connection that holds no place. */
  leave(connection: Connection): void {
    if (!connection.holdsPendingPlace) return;
    connection.holdsPendingPlace = false;
    this.taken -= 1;
    const { key } = connection.client;
    if (key === null) return;
    const here = this.#byAddress.get(key) ?? 1;
    if (here <= 1) this.#byAddress.delete(key);
    else this.#byAddress.set(key, here - 1);
  }
}
