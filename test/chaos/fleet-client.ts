import type { ClientPlan } from "./client-plan.ts";
import type { Place } from "./history.ts";

/** What a fleet sees of a room of one of its clients. */
export interface FleetMembership {
  readonly topic: string;
  readonly isMember: boolean;
  /** Null for a client that does not watch, and until it knows. */
  readonly users: ReadonlySet<string> | null;
  hasReached(place: Place): boolean;
}

/** A client as a fleet drives it, whichever it is: the kit's own, or the SDK. */
export interface FleetClient {
  readonly plan: ClientPlan;
  readonly memberships: readonly FleetMembership[];
  /** Messages without a confirmation. */
  readonly outbox: { readonly size: number };
  readonly isMemberOfAll: boolean;
  readonly isConnected: boolean;
  readonly isStopped: boolean;
  start(): void;
  stop(): void;
  loadBegins(): void;
  publish(): void;
  tick(): void;
  leave(isAtOnce: boolean): void;
  sendPoison(): void;
}
