import type { WireUser } from "../protocol/server-frames.ts";

/** Bits of a hash that a cursor of 15 digits holds: of one half of the hash, and of the other. */
const LOW_BITS = 32;
const HIGH_BITS = 17;

/**
 * A user's place in the list of a topic that several nodes have users in, from 1 on: the same on each of them, whatever runs it. A hash of two
 * halves (cyrb53), since every runtime multiplies 32 bits fast.
 */
function placeOf(id: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < id.length; i++) {
    const unit = id.charCodeAt(i);
    high = Math.imul(high ^ unit, 2_654_435_761);
    low = Math.imul(low ^ unit, 1_597_334_677);
  }
  const mixedHigh = mix(high) ^ mixLast(low);
  const mixedLow = mix(low) ^ mixLast(high);
  return (mixedHigh >>> (32 - HIGH_BITS)) * 2 ** LOW_BITS + (mixedLow >>> 0) + 1;
}

function mix(half: number): number {
  return Math.imul(half ^ (half >>> 16), 2_246_822_507);
}

function mixLast(half: number): number {
  return Math.imul(half ^ (half >>> 13), 3_266_489_909);
}

/**
 * Up to `limit` users, in an order that no node has to remember: a cursor from one of them goes on at another. Users of one place are never
 * parted, so that a page may have one more.
 */
export function pageByPlace(
  users: Iterable<readonly [id: string, user: WireUser]>,
  after: string | undefined,
  limit: number,
): { users: WireUser[]; next?: string } {
  const afterPlace = after === undefined ? 0 : Number(after);
  const behind: { readonly place: number; readonly user: WireUser }[] = [];
  for (const [id, user] of users) {
    const place = placeOf(id);
    if (place > afterPlace) behind.push({ place, user });
  }
  behind.sort((left, right) => left.place - right.place);
  let end = Math.min(limit, behind.length);
  while (end > 0 && behind[end]?.place === behind[end - 1]?.place && end < behind.length) end += 1;
  const page = behind.slice(0, end).map(({ user: { userId, username } }) => ({ userId, username }));
  const last = behind[end - 1];
  return last !== undefined && end < behind.length ? { users: page, next: String(last.place) } : { users: page };
}
