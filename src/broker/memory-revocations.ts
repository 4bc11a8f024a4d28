import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Revocation, RevocationKind, RevocationStore } from "./broker.ts";

export const MAX_REVOCATIONS = 1_000_000;
/** Looked at in one sweep: all of a million in one turn would hold up every connection. */
const SWEPT_AT_ONCE = 2_000;

/** The revocations of one node, in its memory. */
export class MemoryRevocations implements RevocationStore {
  readonly ready = true;
  readonly #maxRevocations: number;
  readonly #clock: Clock;
  readonly #byKind: Readonly<Record<RevocationKind, Map<string, Revocation>>> = {
    jti: new Map(),
    sid: new Map(),
    sub: new Map(),
  };
  /** Where the next sweep goes on. */
  #walk = this.all();

  constructor(clock: Clock, maxRevocations = MAX_REVOCATIONS) {
    this.#clock = clock;
    this.#maxRevocations = maxRevocations;
  }

  get size(): number {
    const { jti, sid, sub } = this.#byKind;
    return jti.size + sid.size + sub.size;
  }

  add(revocation: Revocation): void {
    const { kind, value } = revocation;
    const known = this.find(kind, value);
    if (known === null && this.size >= this.#maxRevocations) {
      this.#walk = this.all();
      this.#drop(this.#maxRevocations);
      if (this.size >= this.#maxRevocations) throw new ProtocolError("OVERLOADED");
    }
    this.#byKind[kind].set(value, known === null ? revocation : both(known, revocation));
  }

  find(kind: RevocationKind, value: string): Revocation | null {
    const known = this.#byKind[kind].get(value);
    return known === undefined || isOver(known, this.#clock.now()) ? null : known;
  }

  sweep(): void {
    this.#drop(SWEPT_AT_ONCE);
  }

  /** Looks at the next so many and drops those that are over. */
  #drop(count: number): void {
    const nowMs = this.#clock.now();
    for (let seen = 0; seen < count; seen += 1) {
      const next = this.#walk.next();
      if (next.done === true) {
        this.#walk = this.all();
        return;
      }
      const { kind, value } = next.value;
      if (isOver(next.value, nowMs)) this.#byKind[kind].delete(value);
    }
  }

  /** With those that are past their end and not swept yet. */
  *all(): Generator<Revocation, void> {
    for (const revocations of Object.values(this.#byKind)) yield* revocations.values();
  }
}

function isOver({ untilMs }: Revocation, nowMs: number): boolean {
  return nowMs >= untilMs;
}

/** One that means the tokens of both. */
export function both(known: Revocation, added: Revocation): Revocation {
  const isForAll = known.issuedBeforeMs === null || added.issuedBeforeMs === null;
  return {
    ...added,
    issuedBeforeMs: isForAll ? null : Math.max(known.issuedBeforeMs, added.issuedBeforeMs),
    untilMs: Math.max(known.untilMs, added.untilMs),
  };
}
