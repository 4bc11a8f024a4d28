import { Histogram as PromHistogram } from "prom-client";
import type { Registry } from "prom-client";

/** A histogram that the hot path can afford: an observation is a short search and three additions, without an allocation. */
export class Histogram {
  readonly bounds: readonly number[];
  /** One count per bound, then one for everything above. Not cumulative. */
  readonly counts: Float64Array;
  sum = 0;

  /** `bounds` are the upper, inclusive ends of the buckets, rising. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Negative and NaN are left out: one of them would spoil the sum for good. */
  observe(value: number): void {
    if (!(value >= 0)) return;
    let bucket = 0;
    for (const bound of this.bounds) {
      if (value <= bound) break;
      bucket += 1;
    }
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
  }
}

interface Series {
  readonly metricName: string;
  readonly labels: { readonly le?: string };
  readonly value: number;
}

function seriesOf(name: string, histogram: Histogram): Series[] {
  const series: Series[] = [];
  let cumulative = 0;
  histogram.counts.forEach((count, index) => {
    cumulative += count;
    const bound = histogram.bounds[index];
    series.push({
      metricName: `${name}_bucket`,
      labels: { le: bound === undefined ? "+Inf" : String(bound) },
      value: cumulative,
    });
  });
  series.push({ metricName: `${name}_sum`, labels: {}, value: histogram.sum });
  series.push({ metricName: `${name}_count`, labels: {}, value: cumulative });
  return series;
}

/** Shows a `Histogram` in a prom-client registry, which reads it at scrape time. */
class ScrapedHistogram extends PromHistogram {
  readonly #name: string;
  readonly #histogram: Histogram;
  /** An empty one of the library's own, for everything of the answer but the values. */
  readonly #empty: PromHistogram;

  constructor(name: string, help: string, histogram: Histogram, registry: Registry) {
    const buckets = [...histogram.bounds];
    super({ name, help, buckets, registers: [registry] });
    this.#empty = new PromHistogram({ name, help, buckets, registers: [] });
    this.#name = name;
    this.#histogram = histogram;
  }

  override async get(): ReturnType<PromHistogram["get"]> {
    return { ...(await this.#empty.get()), values: seriesOf(this.#name, this.#histogram) };
  }

  /** What the registry calls instead of `get` when it renders; the type declarations of the library leave it out. */
  async getForPromString(): ReturnType<PromHistogram["get"]> {
    return this.get();
  }
}

export function registerHistogram(registry: Registry, name: string, help: string, histogram: Histogram): void {
  new ScrapedHistogram(name, help, histogram, registry);
}
