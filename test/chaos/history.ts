/**
 * What a run of the chaos kit records: one entry per line of a JSON-lines file, in the order in which each process wrote it. The
 * checker reads nothing else. Times are milliseconds on the clock that all processes of one machine share.
 */

interface Recorded {
  readonly atMs: number;
  /** The name of a client, unique in the run; it stays the same over all connections of that client. */
  readonly client: string;
}

/** A place in the stream of a topic. */
export interface Place {
  readonly offset: number;
  readonly epoch: string;
}

/** A message was sent, or sent again under the same id. */
export interface Attempt extends Recorded {
  readonly op: "attempt";
  readonly topic: string;
  /** The message id of the sender; `client` + `id` name one message in the run. */
  readonly id: string;
  /** What it said; the same for every attempt of one id. */
  readonly payload: string;
}

/** The node has confirmed a message. */
export interface Ack extends Recorded, Place {
  readonly op: "ack";
  readonly topic: string;
  readonly id: string;
}

/** The node has refused a message: it may be sent again. */
export interface Refusal extends Recorded {
  readonly op: "refusal";
  readonly topic: string;
  readonly id: string;
  readonly code: string;
}

/** The client became a member, or was told again where it stands. From `position` on it is owed everything until it leaves for good. */
export interface Join extends Recorded {
  readonly op: "join";
  readonly topic: string;
  readonly position: Place;
  /** Null: it asked for nothing. False: the node said that what lies behind `since` cannot be recovered. */
  readonly recovered: boolean | null;
  /** Where the client had asked to go on. */
  readonly since: Place | null;
  /** As which user it joined. Who never joined anywhere can never have left; without it this is not checked. */
  readonly user?: string;
}

/**
 * The client has left the topic by its own wish, and the node has confirmed it. Without a confirmation the `end` of the connection
 * stands before it. It is owed what was published before it asked, and nothing comes until its next join.
 */
export interface Leave extends Recorded {
  readonly op: "leave";
  readonly topic: string;
  /** When the request was sent. */
  readonly askedAtMs: number;
}

/** A message came. */
export interface Receipt extends Recorded, Place {
  readonly op: "receipt";
  readonly topic: string;
  /** Who sent it (`client` of the attempt) and under which id. */
  readonly from: string;
  readonly id: string;
  readonly payload: string;
  readonly via: "live" | "recovery";
  /** When the node published it, by the message itself. */
  readonly publishedAtMs: number;
}

/** The node said on a live connection that messages up to `position` are lost to this client. */
export interface Gap extends Recorded {
  readonly op: "gap";
  readonly topic: string;
  readonly position: Place;
}

/** The connection of a client ended; the close code is 1006 where none came. The client comes back by itself unless it stopped. */
export interface End extends Recorded {
  readonly op: "end";
  readonly code: number;
}

/** The client is done: what is published after this it is not owed. */
export interface Stop extends Recorded {
  readonly op: "stop";
}

/** Who a member of the topic was told is there, after everything has settled; users by their ids. */
export interface Seen extends Recorded {
  readonly op: "seen";
  readonly topic: string;
  readonly users: readonly string[];
}

/** Who really is there then: written by the kit itself (`client` is `kit`). */
export interface Truth extends Recorded {
  readonly op: "truth";
  readonly topic: string;
  readonly users: readonly string[];
}

/** A user was told to have come or gone, live, in a frame about that user alone. */
export interface Presence extends Recorded {
  readonly op: "joined" | "left";
  readonly topic: string;
  readonly user: string;
}

/** A `presence_diff` came. It may repeat itself or leave out names, so nothing that was told before it can be held against what follows. */
export interface Diff extends Recorded {
  readonly op: "diff";
  readonly topic: string;
}

/** A client that may no longer receive: revoked, expired, thrown out. Receipts after `atMs` + the allowance are violations. */
export interface Barred extends Recorded {
  readonly op: "barred";
  readonly topic: string;
  /** How long after `atMs` a message may still come. */
  readonly allowanceMs: number;
}

/** A client that was barred may receive again: it has a new token, or its right was given back. */
export interface Allowed extends Recorded {
  readonly op: "allowed";
  readonly topic: string;
}

/** What was done to the system, and when: for the report. `client` is `kit`. */
export interface Fault extends Recorded {
  readonly op: "fault";
  readonly name: string;
  readonly detail: string;
}

export type Entry =
  | Attempt
  | Ack
  | Refusal
  | Join
  | Leave
  | Receipt
  | Gap
  | End
  | Stop
  | Seen
  | Truth
  | Presence
  | Diff
  | Barred
  | Allowed
  | Fault;
