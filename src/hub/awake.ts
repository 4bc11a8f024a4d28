import type { Clock } from "../observe/clock.ts";
import type { Hub } from "./hub.ts";

/** An event that comes so many ticks after the last one is behind what was due by then. */
export const OVERDUE_TICKS = 1.1;

/**
 * To be called before an event is handled; the monotonic time in milliseconds. What came in while the whole process stood still is heard
 * before any timer runs: without this a message would go to connections whose token ended meanwhile.
 */
export function awake(hub: Hub): number {
  const nowMs = hub.clock.monotonic();
  if (nowMs - hub.tickedAtMs > hub.overdueMs) tick(hub);
  return nowMs;
}

/** A fault of the tick is none of the event's. */
function tick(hub: Hub): void {
  try {
    hub.tick();
  } catch (error) {
    hub.report(error, crypto.randomUUID());
  }
}

/** A clock whose timers are events too: several that are due run in no order that anybody promises. */
export function wakingClock(hub: Hub): Clock {
  const { clock } = hub;
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, run) =>
      clock.after(ms, () => {
        awake(hub);
        run();
      }),
  };
}
