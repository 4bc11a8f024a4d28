/** Known nodes, so that whoever fills the set in Redis does not fill a node. */
export const MAX_NODES = 1_000;

export interface RosterChanges {
  readonly come: readonly string[];
  readonly gone: readonly string[];
  /** Known before, and their lease ends later than it did: their process runs. */
  readonly renewed: readonly string[];
}

/**
 * The nodes that live, as the last reading of the leases has them. A Redis that was away may have lost the leases, or have let them end
 * meanwhile: whoever was known before is taken for gone only when it had the time of a whole lease to come back.
 */
export class Roster {
  readonly self: string;
  readonly alive: Set<string>;
  readonly #graceMs: number;
  /** Node → when its lease ends by the clock of Redis. */
  readonly #ends = new Map<string, number>();
  /** Known from before the last outage and not read again since. */
  #unconfirmed: ReadonlySet<string> = new Set();
  #graceUntilMs = Number.NEGATIVE_INFINITY;
  readonly #left = new Set<string>();

  constructor(self: string, graceMs: number) {
    this.self = self;
    this.#graceMs = graceMs;
    this.alive = new Set([self]);
  }

  /** Leases can be read again. `nowMs` is monotonic, here and below. */
  returned(nowMs: number): void {
    this.#unconfirmed = new Set(this.#ends.keys());
    this.#graceUntilMs = nowMs + this.#graceMs;
  }

  /** It has said goodbye: gone when the next reading has it no more. */
  left(node: string): void {
    if (this.#ends.has(node)) this.#left.add(node);
  }

  /** `leases`: node → end of its lease by the clock of Redis. */
  read(leases: ReadonlyMap<string, number>, nowMs: number): RosterChanges {
    const gone = [...this.#ends.keys()].filter((node) => !leases.has(node) && !this.#mayReturn(node, nowMs));
    for (const node of gone) {
      this.#ends.delete(node);
      this.alive.delete(node);
    }
    const come: string[] = [];
    const renewed: string[] = [];
    for (const [node, endsAtMs] of leases) {
      const knownEnd = this.#ends.get(node);
      if (node === this.self || (knownEnd === undefined && this.alive.size >= MAX_NODES)) continue;
      if (knownEnd === undefined) come.push(node);
      else if (endsAtMs > knownEnd) renewed.push(node);
      this.#ends.set(node, endsAtMs);
      this.alive.add(node);
    }
    if (this.#unconfirmed.size > 0) {
      this.#unconfirmed = new Set([...this.#unconfirmed].filter((node) => !leases.has(node) && this.alive.has(node)));
    }
    this.#left.clear();
    return { come, gone, renewed };
  }

  #mayReturn(node: string, nowMs: number): boolean {
    return nowMs < this.#graceUntilMs && this.#unconfirmed.has(node) && !this.#left.has(node);
  }
}
