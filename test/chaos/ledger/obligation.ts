import type { Gap, Join, Place } from "../history.ts";
import type { Ledger } from "./ledger.ts";
import { type Mark, type Member, Way } from "./member.ts";
import type { Slot, Stream } from "./stream.ts";
import { Stretch } from "./stretch.ts";

interface Period {
  readonly fromMs: number;
  toMs: number;
}

interface Cursor {
  readonly stream: Stream;
  readonly offset: number;
}

/**
 * What the node owes to one member. It begins with the first join and stays over all reconnects; only an answer that says so, or a `gap`,
 * takes something away, and only what lies behind the place that it was asked about.
 */
export class Obligation {
  readonly #ledger: Ledger;
  readonly #topic: string;
  readonly #stretches = new Map<Stream, Stretch>();
  readonly #periods: Period[] = [];
  /** Null while it is no member. */
  #cursor: Cursor | null = null;
  #isConnected = false;
  /** When the node last said that the numbering has started again. */
  #newEpochAtMs = Number.NEGATIVE_INFINITY;

  constructor(ledger: Ledger, member: Member) {
    this.#ledger = ledger;
    this.#topic = member.topic;
    member.replay({
      onMark: (mark) => this.#mark(mark),
      onDelivery: (slot, way) => {
        if (way !== Way.Again) this.#receive(slot);
      },
    });
    for (const { bar, untilMs } of member.barredTimes()) if (untilMs === Number.POSITIVE_INFINITY) this.#bar(bar.atMs);
  }

  owes(slot: Slot): boolean {
    const stretch = this.#stretches.get(slot.stream);
    if (stretch === undefined) return this.#owesElsewhere(slot);
    return stretch.owes(slot);
  }

  excuses(slot: Slot): boolean {
    const stretch = this.#stretches.get(slot.stream);
    if (stretch === undefined) return this.#newEpochAtMs >= bornAtMs(slot);
    return stretch.excuses(slot);
  }

  promises(slot: Slot): boolean {
    return this.#stretches.get(slot.stream)?.promises(slot) === true;
  }

  #mark(mark: Mark): void {
    switch (mark.op) {
      case "join":
        this.#isConnected = true;
        return this.#join(mark);
      case "gap":
        return this.#gap(mark);
      case "end":
        this.#isConnected = false;
        return;
      case "leave":
        return this.#close(this.#isConnected ? mark.askedAtMs : Number.NEGATIVE_INFINITY);
      case "stop":
        return this.#close(mark.atMs);
      default:
    }
  }

  #join({ position, since, recovered, atMs }: Join): void {
    const asked = since === null ? null : this.#cursorAt(since);
    const answer = this.#cursorAt(position);
    const from = asked ?? this.#cursor ?? answer;
    const isSame = from.stream === answer.stream;
    const isRecovered = recovered === true && asked !== null;
    if (this.#cursor === null) {
      this.#periods.push({ fromMs: atMs, toMs: Number.POSITIVE_INFINITY });
      const start = isRecovered ? from : answer;
      this.#stretch(start.stream).owe(start.offset);
    } else if (!isRecovered && (recovered === false || !isSame)) {
      this.#excuse(from, answer, atMs);
    }
    const stretch = this.#stretch(answer.stream);
    stretch.owe(isSame ? from.offset : 0);
    stretch.resume(isRecovered && isSame ? from.offset : answer.offset);
    if (isRecovered && isSame) stretch.promise(from.offset, answer.offset);
    this.#cursor = isRecovered && isSame ? from : answer;
  }

  #gap({ position, atMs }: Gap): void {
    if (this.#cursor === null) return;
    const answer = this.#cursorAt(position);
    this.#excuse(this.#cursor, answer, atMs);
    this.#cursor = answer;
  }

  /** What the node has said to be lost: everything between the two. */
  #excuse(from: Cursor, to: Cursor, atMs: number): void {
    if (from.stream === to.stream) {
      this.#stretch(from.stream).excuse(from.offset, to.offset);
      return;
    }
    this.#newEpochAtMs = atMs;
    const { stream, offset } = to;
    this.#stretch(from.stream).excuse(from.offset, Number.POSITIVE_INFINITY);
    const stretch = this.#stretch(stream);
    stretch.resume(offset);
    stretch.owe(0);
    stretch.excuse(0, offset);
  }

  #receive(slot: Slot): void {
    const stretch = this.#stretch(slot.stream);
    stretch.reach(slot.offset);
    if (this.#cursor === null) return;
    // The numbering may start again while a client is connected, and the message itself says so.
    const isSame = slot.stream === this.#cursor.stream;
    if (!isSame) {
      stretch.owe(0);
      stretch.resume(slot.offset - 1);
    }
    if (!isSame || slot.offset > this.#cursor.offset) this.#cursor = slot;
  }

  #close(beforeMs: number): void {
    if (this.#cursor === null) return;
    this.#cursor = null;
    for (const stretch of this.#stretches.values()) stretch.close(beforeMs);
    const period = this.#periods.at(-1);
    if (period !== undefined) period.toMs = beforeMs;
  }

  /** Who never comes back may have lost what was on its way when it was thrown out, or while it was away: only holes count. */
  #bar(atMs: number): void {
    for (const stretch of this.#stretches.values()) stretch.bar(atMs);
    for (const period of this.#periods) if (period.toMs >= atMs) period.toMs = Number.NEGATIVE_INFINITY;
  }

  /** A message in a stream that the member never heard of, as when two nodes number a topic each for itself. */
  #owesElsewhere(slot: Slot): boolean {
    const atMs = bornAtMs(slot);
    return this.#periods.some(({ fromMs, toMs }) => atMs > fromMs && slot.knownAtMs < toMs);
  }

  #cursorAt({ epoch, offset }: Place): Cursor {
    return { stream: this.#ledger.stream(this.#topic, epoch), offset };
  }

  #stretch(stream: Stream): Stretch {
    const known = this.#stretches.get(stream);
    if (known !== undefined) return known;
    const stretch = new Stretch();
    this.#stretches.set(stream, stretch);
    return stretch;
  }
}

/** The earliest that the message may be there. */
function bornAtMs(slot: Slot): number {
  return Math.min(slot.message?.attempt?.atMs ?? slot.knownAtMs, slot.knownAtMs);
}
