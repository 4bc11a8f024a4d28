import type { Account } from "./ledger/account.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { Slot } from "./ledger/stream.ts";

/** Everything that a check judges by. */
export interface Evidence {
  readonly ledger: Ledger;
  /** One for each member. */
  readonly accounts: readonly Account[];
}

/** A promise that was not kept. */
export interface Finding {
  readonly check: CheckName;
  readonly topic: string;
  /** Who saw it. */
  readonly client: string;
  readonly id?: string;
  readonly offset?: number;
  readonly epoch?: string;
  readonly text: string;
}

/** One of the promises, and how a history is held against it. */
export interface Check {
  readonly name: CheckName;
  readonly find: (evidence: Evidence) => Iterable<Finding>;
}

export type CheckName =
  | "empty"
  | "lost"
  | "recovery"
  | "duplicated"
  | "order"
  | "phantom"
  | "divergence"
  | "reuse"
  | "retries"
  | "presence"
  | "barred";

/** The fields of a finding that say where it is. */
export function placeOf({ stream, offset, message }: Slot): Pick<Finding, "topic" | "epoch" | "offset" | "id"> {
  const { topic, epoch } = stream;
  return { topic, epoch, offset, ...(message !== null && { id: message.id }) };
}
