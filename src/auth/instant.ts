import * as v from "valibot";

/** In seconds that is the year 5138: a caller who sends seconds is told so, instead of meaning January 1970. */
export const EARLIEST_MS = 100_000_000_000;
/** The last instant that a `Date` can hold. */
export const LATEST_MS = 8_640_000_000_000_000;

/** A moment of the wall clock, in milliseconds since 1970. */
export const instant = v.pipe(v.number(), v.safeInteger(), v.minValue(EARLIEST_MS), v.maxValue(LATEST_MS));
