/** Counts by one label whose values are fixed when it is made, so that nothing a client sends can add a series. */
export class LabelCounter {
  readonly values: readonly string[];
  readonly #index = new Map<string | number, number>();
  readonly #counts: Float64Array;

  /** Numbers and texts are the same value: 4001 and "4001". */
  constructor(values: readonly (string | number)[]) {
    values.forEach((value, index) => this.#index.set(value, index));
    this.values = [...values.map(String), "other"];
    this.#counts = new Float64Array(this.values.length);
  }

  /** A value that is not in the set counts as "other". */
  add(value: string | number, n = 1): void {
    const index = this.#index.get(value) ?? this.values.length - 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + n;
  }

  get(value: string): number {
    return this.#counts[this.values.indexOf(value)] ?? 0;
  }
}
