import { randomBytes } from "node:crypto";
import type { TicketStore } from "../broker/broker.ts";
import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Tickets } from "./authenticate.ts";
import { digestOf } from "./digest.ts";

const TICKET_LIFE_MS = 30_000;
const TICKET_BYTES = 32;
/** 32 bytes in base64url. */
const TICKET = /^[A-Za-z0-9_-]{43}$/;

export interface IssuedTicket {
  /** What the client opens its connection with, as `?ticket=`. */
  readonly ticket: string;
  readonly lifeMs: number;
}

/** One-time tickets: what stands in a URL, and so in the logs of others, is worthless by then. */
export class OneTimeTickets implements Tickets {
  readonly #store: TicketStore;
  readonly #clock: Clock;

  constructor(store: TicketStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * A ticket for the holder of a verified token, good for 30 seconds or as long as the token. Throws or rejects RATE_LIMITED with
   * `retryAfterMs` (too many open ones of this user), OVERLOADED, UNAVAILABLE, TOKEN_EXPIRED for a token that only the clock
   * tolerance still keeps alive.
   */
  issue(holder: Principal): IssuedTicket | Promise<IssuedTicket> {
    const leftMs = (holder.expiresAtMs ?? Number.POSITIVE_INFINITY) - this.#clock.now();
    if (leftMs <= 0) throw new ProtocolError("TOKEN_EXPIRED");
    const lifeMs = Math.min(TICKET_LIFE_MS, leftMs);
    const ticket = randomBytes(TICKET_BYTES).toString("base64url");
    const added = this.#store.add(digestOf(ticket), holder, lifeMs);
    const issued = { ticket, lifeMs };
    return added instanceof Promise ? added.then(() => issued) : issued;
  }

  redeem(ticket: string): Principal | null | Promise<Principal | null> {
    return TICKET.test(ticket) ? this.#store.take(digestOf(ticket)) : null;
  }

  sweep(): void {
    this.#store.sweep();
  }
}
