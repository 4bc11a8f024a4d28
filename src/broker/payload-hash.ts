/** 64 bits of a text: two lanes of FNV-1a over its UTF-16 units, each with a multiplier of its own, finished as in MurmurHash3. */

/** Two halves, for numbers of 32 bits take no memory of their own. */
export interface PayloadHash {
  readonly low: number;
  readonly high: number;
}

/**
 * Tells a message that is sent again from another one under the same id. Not for secrets: whoever finds two texts of one hash can do
 * no more than have the second of their own messages dropped.
 */
export function payloadHash(text: string): PayloadHash {
  let low = 0x811c9dc5;
  let high = 0xdeadbeef;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995);
  }
  return { low: mix(low ^ text.length), high: mix(high ^ low) };
}

function mix(word: number): number {
  let mixed = word;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
