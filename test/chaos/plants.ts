import type { CheckName } from "./check.ts";

/** Bugs that are planted in a node, to see that the kit finds them: modules that are loaded before it and change a part of it. */
export interface Plant {
  readonly summary: string;
  /** A profile that brings it out within seconds. */
  readonly profile: string;
  /** The check that has to find it. */
  readonly check: CheckName;
}

export const PLANTS: Readonly<Record<string, Plant>> = {
  "drop-live": {
    summary: "one live message of 50 does not reach the members of one framing",
    profile: "disk-full",
    check: "lost",
  },
  "short-recovery": {
    summary: "a recovery leaves out its first message",
    profile: "storm",
    check: "recovery",
  },
  "partial-recovery": {
    summary: "what is left of a trimmed history goes for everything",
    profile: "trimmed",
    check: "recovery",
  },
  "late-live": {
    summary: "whoever joins gets live messages one message too late",
    profile: "boundary",
    check: "lost",
  },
  "repeated-retry": {
    summary: "a message that is sent again is published again",
    profile: "lost-acks",
    check: "retries",
  },
  swapped: {
    summary: "one live message of 50 goes out behind the one after it",
    profile: "disk-full",
    check: "order",
  },
  "forgotten-leave": {
    summary: "nobody hears of a user that has left",
    profile: "last-leave",
    check: "presence",
  },
  "silent-gap": {
    summary: "nobody hears that messages were lost on the way to the node",
    profile: "apart-too-long",
    check: "lost",
  },
  "unread-hole": {
    summary: "what came while a node was cut off is not read behind it",
    profile: "partition",
    check: "lost",
  },
  "ended-token": {
    summary: "a connection whose token has ended goes on",
    profile: "expiry",
    check: "barred",
  },
};

/** The module of a bug, below this folder. */
export function moduleOf(name: string): string {
  return `planted/${name}.ts`;
}
