/** The states of a client's connection and what moves it between them. docs/client.md prints this table. Pure. */

export type State = "asking" | "opening" | "greeting" | "connected" | "waiting" | "refused" | "closed";

export type Trigger =
  /** The application gave a token or a ticket. */
  | "given"
  | "opened"
  | "greeted"
  /** It ended, could not be made, took too long, or was silent for too long. */
  | "lost"
  /** It ended in a way that another attempt would not change. */
  | "stopped"
  /** The time until the next attempt is over. */
  | "due"
  /** The network is back. */
  | "online"
  | "reconnectNow"
  | "close";

/** What is not in the table changes nothing. What a state begins with is in `connection.ts`. */
export const MOVES: Readonly<Record<State, Readonly<Partial<Record<Trigger, State>>>>> = {
  asking: { given: "opening", lost: "waiting", close: "closed" },
  opening: { opened: "greeting", lost: "waiting", close: "closed" },
  greeting: { greeted: "connected", lost: "waiting", stopped: "refused", close: "closed" },
  connected: { online: "connected", reconnectNow: "connected", lost: "waiting", stopped: "refused", close: "closed" },
  waiting: { due: "asking", online: "asking", reconnectNow: "asking", close: "closed" },
  refused: { reconnectNow: "asking", close: "closed" },
  closed: {},
};
