import type { Position } from "./position.ts";

/** Somebody in a topic. */
export interface User {
  /** A number where the token says a number; in chat messages always text. */
  readonly userId: string | number;
  readonly username: string;
}

/** Who the token says that this is. */
export interface Identity {
  readonly id: string | number;
  readonly username: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

/**
 * What came from the node, by the fields that are read of it; those of one type each. Only `type` is checked when it comes, and where
 * it is used what would break the state of the client: the rest is handed to the application as it is.
 */
export interface Frame extends Partial<Position>, Partial<User> {
  readonly type: string;
  readonly id?: string | number;
  readonly topic?: string;
  readonly roomSlug?: string;
  readonly code?: string;
  readonly retryAfterMs?: number;
  readonly timestamp: number;
  readonly messageId?: string;
  readonly from?: User;
  readonly data?: unknown;
  readonly messages?: readonly Frame[];
  readonly more?: boolean;
  readonly wasRecovering?: boolean;
  readonly recovered?: boolean;
  readonly users?: readonly User[];
  readonly joined?: readonly User[];
  readonly left?: readonly User[];
  readonly userCount?: number;
  readonly next?: string;
  readonly isTyping?: boolean;
  readonly connectionId?: string;
  readonly nodeId?: string;
  readonly user?: Identity;
  readonly heartbeat?: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly limits?: { readonly maxMessageBytes: number; readonly messagesPerSecond: number };
}

/** Where none came. */
export const NO_FRAME: Frame = { type: "", timestamp: 0 };

/** Of what the contract says that it is a `T`, when it is anything. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- The caller says what the contract calls it.
export function isObject<T extends object>(value: unknown): value is T {
  return Object(value) === value;
}

export function isFrame(value: unknown): value is Frame {
  return isObject<{ readonly type?: unknown }>(value) && typeof value.type === "string";
}

/** Null when there is none that could be compared. */
export function positionOf({ offset, epoch }: Frame): Position | null {
  return typeof offset === "number" && typeof epoch === "string" ? { offset, epoch } : null;
}
