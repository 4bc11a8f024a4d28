import { roomName, DIALECTS } from "./dialect.ts";
import { usageSince, type Fleet } from "./fleet.ts";
import type { ArriveReport } from "./orders.ts";

const JOINED_DEADLINE_MS = 60_000;
const TICK_MS = 1;

/**
 * All connections of the fleet join one room, each when the schedule says, whether the server answers or not. Counted until no news of who
 * joined has come for `quietMs`.
 */
export async function arrive(fleet: Fleet, overMs: number, quietMs: number): Promise<ArriveReport> {
  const { links } = fleet;
  const request = DIALECTS.tautline.join(roomName(0), null);
  if (request === null) throw new Error("a dialect without joins");
  const joinedBefore = fleet.openings;
  const start = fleet.mark();
  let latestMs = 0;
  for (let next = 0; next < links.length; await Bun.sleep(TICK_MS)) {
    const elapsedMs = performance.now() - start.atMs;
    latestMs = Math.max(latestMs, elapsedMs - (next * overMs) / links.length);
    for (; next < links.length && (next * overMs) / links.length <= elapsedMs; next++) links[next]?.join(request);
  }
  const sentMs = performance.now() - start.atMs;
  const isDone = (): boolean => fleet.openings === joinedBefore + links.length;
  await fleet.until(isDone, JOINED_DEADLINE_MS, "joins were not answered in time");
  const joinedMs = performance.now() - start.atMs;
  await fleet.quiet(quietMs);
  return {
    done: "arrive",
    joined: links.length,
    sentMs,
    joinedMs,
    latestMs,
    presences: fleet.presences(),
    mostPresences: links.reduce((most, link) => Math.max(most, link.stream.presences), 0),
    ...usageSince(start, fleet.mark()),
  };
}
