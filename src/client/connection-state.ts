/** The states of a client's connection and what moves it between them. docs/client.md prints this table. Pure. */

export type State = "asking" | "opening" | "greeting" | "connected" | "waiting" | "refused" | "closed";

export type Trigger =
  "given" | "failed" | "opened" | "greeted" | "lost" | "stopped" | "late" | "due" | "online" | "reconnectNow" | "close";

/** What is not in the table changes nothing. What a state does when it is entered is in `connection.ts`. */
export const MOVES: Readonly<Record<State, Readonly<Partial<Record<Trigger, State>>>>> = {
  asking: { given: "opening", failed: "waiting", late: "waiting", close: "closed" },
  opening: { opened: "greeting", lost: "waiting", stopped: "refused", late: "waiting", close: "closed" },
  greeting: { greeted: "connected", lost: "waiting", stopped: "refused", late: "waiting", close: "closed" },
  connected: {
    online: "connected",
    reconnectNow: "connected",
    lost: "waiting",
    stopped: "refused",
    late: "waiting",
    close: "closed",
  },
  waiting: { due: "asking", online: "asking", reconnectNow: "asking", close: "closed" },
  refused: { reconnectNow: "asking", close: "closed" },
  closed: {},
};
