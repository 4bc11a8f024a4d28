import type { Occupant } from "./occupants.ts";

/** `isTyping: true` of one user goes out at most this often per topic. */
const TYPING_INTERVAL_MS = 1_000;

/** Whether the others are to be told: a `true` at most once a second, a `false` whenever they believe otherwise. */
export function shouldTellTyping(occupant: Occupant, isTyping: boolean, nowMs: number): boolean {
  if (!isTyping) {
    const wasTyping = occupant.isTyping;
    occupant.isTyping = false;
    return wasTyping;
  }
  if (nowMs - occupant.toldTypingMs < TYPING_INTERVAL_MS) return false;
  occupant.isTyping = true;
  occupant.toldTypingMs = nowMs;
  return true;
}
