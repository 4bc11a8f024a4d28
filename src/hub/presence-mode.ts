/** How the members of a topic hear of who comes and goes: one by one, in lists from time to time, or as a number. */
export type PresenceMode = "full" | "diff" | "count";

const MODES: readonly PresenceMode[] = ["full", "diff", "count"];

/** Between a mode and the next one. */
interface Border {
  /** With more users the next mode begins. */
  readonly maxUsers: number;
  /** With so few it ends: lower, so that one user who comes and goes does not switch to and fro. */
  readonly backAtUsers: number;
}

/** Of `full` and `diff`, of `diff` and `count`. */
export type Borders = readonly [Border, Border];

/** 200 users announced one by one come back at 150; what else is configured, in the same proportion. */
const BACK_AT = 0.75;

/** Who is among so many users says nothing to a person, and costs the most. */
const LISTED: Border = { maxUsers: 5_000, backAtUsers: 4_000 };

export function presenceBorders(fullMaxUsers: number): Borders {
  return [{ maxUsers: fullMaxUsers, backAtUsers: Math.floor(fullMaxUsers * BACK_AT) }, LISTED];
}

/** The mode for so many users, who were told in `mode` until now. It may be two away: a drain takes users away silently. */
export function nextMode(borders: Borders, mode: PresenceMode, users: number): PresenceMode {
  let at = MODES.indexOf(mode);
  while (users > (borders[at]?.maxUsers ?? Number.POSITIVE_INFINITY)) at += 1;
  while (users <= (borders[at - 1]?.backAtUsers ?? -1)) at -= 1;
  return MODES[at] ?? mode;
}

const MIN_TICK_MS = 250;
const MAX_TICK_MS = 5_000;

/** How long changes are gathered: a millisecond per user, so that what a member receives does not grow with the room. */
export function presenceTickMs(users: number): number {
  return Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, users));
}

/**
 * Users that one `presence_diff` names, as many as a page of `presence_state`; of more it tells the number alone. Up to here a publish
 * costs what the number alone does; docs/decisions.md, 22.
 */
export const MAX_DIFF_USERS = 200;
