import type { Slot } from "./stream.ts";

/** Offsets behind `after`, up to and with `to`. */
interface Span {
  readonly after: number;
  to: number;
}

/** What a member is owed of a stream: everything behind a place, until it is no member any more. */
interface Debt {
  readonly after: number;
  /** What was known to be there before; Infinity while it is a member. */
  beforeMs: number;
  /** How far the member had come when it ended: what lies before that is owed, whenever it became known. */
  reached: number;
}

/** What one stream has to do with a member: what it is owed of it, and what was said about that. */
export class Stretch {
  readonly #debts: Debt[] = [];
  /** Where the node said that messages are lost. */
  readonly #excused: Span[] = [];
  /** What an answer `recovered: true` said to give. */
  readonly #promised: Span[] = [];
  /** The highest offset that came. */
  #reached = 0;

  reach(offset: number): void {
    this.#reached = Math.max(this.#reached, offset);
  }

  owe(after: number): void {
    if (this.#debts.at(-1)?.beforeMs === Number.POSITIVE_INFINITY) return;
    this.#debts.push({ after, beforeMs: Number.POSITIVE_INFINITY, reached: Number.POSITIVE_INFINITY });
  }

  close(beforeMs: number): void {
    const last = this.#debts.at(-1);
    if (last?.beforeMs !== Number.POSITIVE_INFINITY) return;
    last.beforeMs = beforeMs;
    last.reached = this.#reached;
  }

  excuse(after: number, to: number): void {
    this.#excused.push({ after, to });
  }

  promise(after: number, to: number): void {
    this.#promised.push({ after, to });
  }

  /** From here on only holes count, of all that had not ended before. */
  bar(atMs: number): void {
    for (const debt of this.#debts) {
      if (debt.beforeMs < atMs) continue;
      debt.reached = Math.min(debt.reached, this.#reached);
      debt.beforeMs = Number.NEGATIVE_INFINITY;
    }
  }

  /** The numbering goes on here: an excuse without an end was about what came before. */
  resume(offset: number): void {
    for (const span of this.#excused) if (span.to === Number.POSITIVE_INFINITY) span.to = offset;
  }

  owes({ offset, knownAtMs }: Slot): boolean {
    return this.#debts.some(
      ({ after, beforeMs, reached }) => offset > after && (knownAtMs < beforeMs || offset < reached),
    );
  }

  excuses(slot: Slot): boolean {
    return this.#excused.some((span) => covers(span, slot));
  }

  promises(slot: Slot): boolean {
    return this.#promised.some((span) => covers(span, slot));
  }
}

function covers({ after, to }: Span, { offset }: Slot): boolean {
  return offset > after && offset <= to;
}
