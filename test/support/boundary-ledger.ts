/** What the history of a node has to hold: as many of the newest messages as both of its bounds allow. */
export interface HistoryBounds {
  readonly size: number;
  readonly bytes: number;
}

interface Published {
  /** What the message says, another number for each. */
  content: number;
  /** Of its body; null as long as only its receivers are known. */
  bytes: number | null;
}

/** Every message of one topic by its offset, whoever told of it: its publisher, or whoever received it. */
export class BoundaryLedger {
  readonly #bounds: HistoryBounds;
  readonly #messages: Published[] = [];
  readonly violations: string[] = [];

  constructor(bounds: HistoryBounds) {
    this.#bounds = bounds;
  }

  /** The offset of the newest message that is known. */
  get newest(): number {
    return this.#messages.length;
  }

  /** The content is the same for everybody who tells of an offset: there is one history. */
  note(offset: number, content: number, bytes: number | null = null): void {
    const known = this.#messages[offset - 1];
    if (known === undefined) this.#messages[offset - 1] = { content, bytes };
    else if (known.content !== content) this.violations.push(`offset ${offset} is ${content} and ${known.content}`);
    else known.bytes ??= bytes;
  }

  /** Whether the history holds everything behind an offset once the newest message is the one at `at`. */
  isKept(since: number, at: number): boolean {
    if (at - since > this.#bounds.size) return false;
    let bytes = 0;
    for (let offset = at; offset > since; offset -= 1) bytes += this.#messages[offset - 1]?.bytes ?? 0;
    return bytes <= this.#bounds.bytes;
  }
}
