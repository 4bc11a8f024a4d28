/** What the node says of itself on `/metrics`. */

const LOOP_DELAY = /^tautline_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm;
const CONNECTIONS = /^tautline_connections (\d+)$/m;

export class Scrape {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get connections(): number {
    return Number(CONNECTIONS.exec(this.#text)?.[1]);
  }

  /** The bound under which the worst second since the other scrape was: 99th percentile of the delay, in milliseconds. NaN: no second passed. */
  loopDelayMs(since: Scrape): number {
    const before = new Map(since.#loopDelays());
    let worst = Number.NaN;
    let below = 0;
    for (const [bound, count] of this.#loopDelays()) {
      const cumulative = count - (before.get(bound) ?? 0);
      if (cumulative > below) worst = bound;
      below = cumulative;
    }
    return worst * 1_000;
  }

  #loopDelays(): [bound: number, cumulative: number][] {
    return [...this.#text.matchAll(LOOP_DELAY)].map(([, bound = "", count]) => [
      bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound),
      Number(count),
    ]);
  }
}
