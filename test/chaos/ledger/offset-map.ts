const PAGE_OFFSETS = 1_024;

/** A small number for each offset of a stream, 0 where none was set. Pages, so that a single offset far away costs one of them. */
export class OffsetMap {
  readonly #pages = new Map<number, Uint8Array>();

  get(offset: number): number {
    return this.#pages.get(Math.floor(offset / PAGE_OFFSETS))?.[offset % PAGE_OFFSETS] ?? 0;
  }

  set(offset: number, value: number): void {
    const number = Math.floor(offset / PAGE_OFFSETS);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Uint8Array(PAGE_OFFSETS);
      this.#pages.set(number, page);
    }
    page[offset % PAGE_OFFSETS] = value;
  }
}
