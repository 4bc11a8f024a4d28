import type { WireUser } from "../protocol/server-frames.ts";

/** Bits of a hash that a cursor of 15 digits holds. */
const CURSOR_BITS = 49n;

/** A user's place in the list of a topic that several nodes have users in: the same on each of them, from 1 on. */
function placeOf(id: string): number {
  return Number(Bun.hash.xxHash64(id) >> (64n - CURSOR_BITS)) + 1;
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
