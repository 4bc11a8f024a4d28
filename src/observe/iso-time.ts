/** ISO 8601 in UTC with milliseconds. Many records share a millisecond under load, and the conversion is most of what one costs. */
export class IsoTime {
  #lastMs = Number.NaN;
  #text = "";

  of(ms: number): string {
    if (ms !== this.#lastMs) {
      this.#lastMs = ms;
      this.#text = new Date(ms).toISOString();
    }
    return this.#text;
  }
}
