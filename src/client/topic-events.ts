import type { User } from "./frame.ts";
import type { InboxEvents } from "./inbox.ts";
import type { Position } from "./position.ts";

export interface Joined extends Position {
  /** Distinct users, this one included; undefined where nobody is announced. */
  readonly userCount: number | undefined;
  /** Undefined when there was nothing to recover; false when what was missed cannot be had from the node. */
  readonly recovered: boolean | undefined;
}

export interface Left {
  /** `OK`, `FORBIDDEN`, `TOKEN_EXPIRED` or `REVOKED`, or the code of the error that a join was answered with. */
  readonly code: string;
}

export interface PresenceChange {
  readonly joined: readonly User[];
  readonly left: readonly User[];
  /** Undefined where the node tells users one by one. */
  readonly userCount: number | undefined;
}

export interface Typing extends User {
  /** To be forgotten after 6 s. */
  readonly isTyping: boolean;
}

export interface TopicEvents extends InboxEvents {
  joined: Joined;
  left: Left;
  presence: PresenceChange;
  typing: Typing;
}
