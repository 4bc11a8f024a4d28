import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { TicketStore } from "./broker.ts";

export interface TicketBounds {
  readonly perUser: number;
  readonly total: number;
}

export const TICKET_BOUNDS: TicketBounds = { perUser: 20, total: 100_000 };

interface Ticket {
  readonly holder: Principal;
  /** Monotonic. */
  readonly untilMs: number;
}

/** The tickets of one node, in its memory. */
export class MemoryTickets implements TicketStore {
  readonly #bounds: TicketBounds;
  readonly #clock: Clock;
  /** In the order in which they were given out, which is about that of their ends. */
  readonly #tickets = new Map<string, Ticket>();
  /** User → the digests of its tickets. */
  readonly #byUser = new Map<string, Set<string>>();

  constructor(clock: Clock, bounds: TicketBounds = TICKET_BOUNDS) {
    this.#clock = clock;
    this.#bounds = bounds;
  }

  get held(): number {
    return this.#tickets.size;
  }

  add(digest: string, holder: Principal, lifeMs: number): void {
    const nowMs = this.#clock.monotonic();
    const firstEndMs = this.#firstEnd(holder.id, nowMs);
    if (firstEndMs !== null) throw new ProtocolError("RATE_LIMITED", { retryAfterMs: Math.ceil(firstEndMs - nowMs) });
    if (this.#tickets.size >= this.#bounds.total) this.sweep();
    if (this.#tickets.size >= this.#bounds.total) throw new ProtocolError("OVERLOADED");
    this.#tickets.set(digest, { holder, untilMs: nowMs + lifeMs });
    const digests = this.#byUser.get(holder.id) ?? new Set();
    this.#byUser.set(holder.id, digests.add(digest));
  }

  take(digest: string): Principal | null {
    const ticket = this.#tickets.get(digest);
    if (ticket === undefined) return null;
    this.#drop(digest, ticket);
    return this.#clock.monotonic() < ticket.untilMs ? ticket.holder : null;
  }

  sweep(): void {
    const nowMs = this.#clock.monotonic();
    for (const [digest, ticket] of this.#tickets) {
      if (nowMs < ticket.untilMs) return;
      this.#drop(digest, ticket);
    }
  }

  /** When the user may have another one: null at once. Drops those of its tickets that have ended. */
  #firstEnd(userId: string, nowMs: number): number | null {
    const digests = this.#byUser.get(userId);
    if (digests === undefined || digests.size < this.#bounds.perUser) return null;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const digest of digests) {
      const ticket = this.#tickets.get(digest);
      if (ticket === undefined) continue;
      if (nowMs < ticket.untilMs) firstMs = Math.min(firstMs, ticket.untilMs);
      else this.#drop(digest, ticket);
    }
    return digests.size < this.#bounds.perUser ? null : firstMs;
  }

  #drop(digest: string, { holder }: Ticket): void {
    this.#tickets.delete(digest);
    const digests = this.#byUser.get(holder.id);
    digests?.delete(digest);
    if (digests?.size === 0) this.#byUser.delete(holder.id);
  }
}
