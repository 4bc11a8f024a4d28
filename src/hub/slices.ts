import type { Connection } from "./connection.ts";

/** A publish to so many takes the loop for some 10 ms on a slow machine. */
export const SLICE_MEMBERS = 1_000;

/** From so many members on a room is told of its users slice by slice. */
export const SLICED_FROM = 2 * SLICE_MEMBERS;

interface Slice {
  readonly nativeTopic: string;
  members: number;
}

/**
 * The members of a large room once more, in native topics of a thousand: an announcement to 10,000 in one publish would hold up every
 * connection of the node for a tenth of a second.
 */
export class Slices {
  readonly #prefix: string;
  readonly #slices: Slice[] = [];
  readonly #sliceOf = new Map<Connection, Slice>();

  /** `#` stands in no name of a topic, so no topic has the name of a slice. */
  constructor(nativeTopic: string) {
    this.#prefix = `${nativeTopic}#`;
  }

  /** The native topic of the slice with that number, from 0 on; undefined behind the last. */
  at(index: number): string | undefined {
    return this.#slices[index]?.nativeTopic;
  }

  add(connection: Connection): void {
    if (this.#sliceOf.has(connection)) return;
    const slice = this.#slices.find(({ members }) => members < SLICE_MEMBERS) ?? this.#append();
    slice.members += 1;
    this.#sliceOf.set(connection, slice);
    connection.socket.join(slice.nativeTopic);
  }

  delete(connection: Connection): void {
    const slice = this.#sliceOf.get(connection);
    if (slice === undefined) return;
    slice.members -= 1;
    this.#sliceOf.delete(connection);
    connection.socket.leave(slice.nativeTopic);
  }

  #append(): Slice {
    const slice = { nativeTopic: this.#prefix + String(this.#slices.length), members: 0 };
    this.#slices.push(slice);
    return slice;
  }
}
