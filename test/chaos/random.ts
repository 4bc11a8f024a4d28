import { createHash } from "node:crypto";

/**
 * Random numbers that a seed repeats (sfc32). Parts that run at the same time each draw from a fork of their own, so that what one of
 * them gets does not depend on when the others draw.
 */
export class Random {
  /** Names the sequence: printed by a run that fails, given to the one that repeats it. */
  readonly seed: string;
  readonly #state: Uint32Array;

  constructor(seed: string | number) {
    this.seed = String(seed);
    const digest = createHash("sha256").update(this.seed).digest();
    this.#state = Uint32Array.from({ length: 4 }, (_, word) => digest.readUInt32LE(4 * word));
  }

  /** 0 ≤ n < 1, in steps of 2^-32. */
  next(): number {
    return this.#word() / 2 ** 32;
  }

  /** A whole number, both ends included. */
  integer(min: number, max: number): number {
    if (!Number.isInteger(min) || !Number.isInteger(max) || max < min) throw new RangeError(`from ${min} to ${max}`);
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const [picked] = list.slice(this.integer(0, list.length - 1));
    if (picked === undefined) throw new RangeError("nothing to pick");
    return picked;
  }

  /** The same things in another order; the list itself stays as it is. */
  shuffle<T>(list: readonly T[]): T[] {
    const keyed = list.map((item) => ({ item, key: this.next() }));
    return keyed.toSorted((a, b) => a.key - b.key).map(({ item }) => item);
  }

  /** A sequence of its own, known by the seed and the name alone: what was drawn before makes no difference. */
  fork(name: string | number): Random {
    return new Random(`${this.seed}/${name}`);
  }

  #word(): number {
    const [a = 0, b = 0, c = 0, count = 0] = this.#state;
    const word = (a + b + count) >>> 0;
    this.#state.set([b ^ (b >>> 9), c + (c << 3), ((c << 21) | (c >>> 11)) + word, count + 1]);
    return word;
  }
}
