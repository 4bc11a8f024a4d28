import type { ClientPlan } from "./client-plan.ts";
import { nowS, tokenOf } from "./token.ts";

/** The tokens of a client: always another, until it has taken its last. */
export class Bearer {
  readonly #plan: Pick<ClientPlan, "name" | "tokenTtlS" | "lastTokenTtlS">;
  #last: string | null = null;

  constructor(plan: Pick<ClientPlan, "name" | "tokenTtlS" | "lastTokenTtlS">) {
    this.#plan = plan;
  }

  get mayRenew(): boolean {
    return this.#last === null;
  }

  token(): string {
    const { name, tokenTtlS } = this.#plan;
    return this.#last ?? tokenOf(name, nowS() + tokenTtlS);
  }

  /** When the last one ends, in seconds since 1970; null where the plan has none, or it was taken before. */
  takeLast(): number | null {
    const { name, lastTokenTtlS } = this.#plan;
    if (lastTokenTtlS === undefined || this.#last !== null) return null;
    const endsAtS = nowS() + lastTokenTtlS;
    this.#last = tokenOf(name, endsAtS);
    return endsAtS;
  }
}
