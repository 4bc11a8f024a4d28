/** The states of a client's connection and what moves it between them. docs/client.md prints this table. Pure. */

export type State = "asking" | "opening" | "greeting" | "connected" | "waiting" | "refused" | "closed";

export type Trigger =
  "given" | "failed" | "opened" | "greeted" | "lost" | "stopped" | "late" | "due" | "online" | "reconnectNow" | "close";

export type Effect = "ask" | "open" | "introduce" | "resume" | "probe" | "drop" | "wait" | "end";

type Move = readonly [State, ...Effect[]];

const RETRY: Move = ["waiting", "wait"];
const GIVE_UP: Move = ["waiting", "drop", "wait"];
const STOP: Move = ["refused", "end"];
const LEAVE: Move = ["closed", "drop", "end"];
const AGAIN: Move = ["asking", "ask"];
const PROBE: Move = ["connected", "probe"];

/** What is not in the table changes nothing. */
export const MOVES: Readonly<Record<State, Readonly<Partial<Record<Trigger, Move>>>>> = {
  asking: { given: ["opening", "open"], failed: RETRY, late: GIVE_UP, close: LEAVE },
  opening: { opened: ["greeting", "introduce"], lost: RETRY, stopped: STOP, late: GIVE_UP, close: LEAVE },
  greeting: { greeted: ["connected", "resume"], lost: RETRY, stopped: STOP, late: GIVE_UP, close: LEAVE },
  connected: { lost: RETRY, stopped: STOP, late: GIVE_UP, online: PROBE, reconnectNow: PROBE, close: LEAVE },
  waiting: { due: AGAIN, online: AGAIN, reconnectNow: AGAIN, close: LEAVE },
  refused: { reconnectNow: AGAIN, close: LEAVE },
  closed: {},
};
