interface CallRow {
  readonly route: string;
  readonly result: "ok" | "refused";
  readonly calls: number;
}

/**
 * Counts by route and result. A route has no series before its first call. Routes are those of the application's own table, so nothing
 * that a caller sends adds one.
 */
export class CallCounter {
  readonly #counts = new Map<string, { ok: number; refused: number }>();

  add(route: string, result: CallRow["result"]): void {
    const counts = this.#counts.get(route) ?? { ok: 0, refused: 0 };
    this.#counts.set(route, counts);
    counts[result] += 1;
  }

  *rows(): Generator<CallRow> {
    for (const [route, { ok, refused }] of this.#counts) {
      yield { route, result: "ok", calls: ok };
      yield { route, result: "refused", calls: refused };
    }
  }
}
