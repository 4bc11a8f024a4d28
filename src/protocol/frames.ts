import * as v from "valibot";
import type { ErrorCode } from "./codes.ts";
import { isEventName } from "./event-name.ts";
import { isId, isRoomSlug, isTopic } from "./topic.ts";

/**
 * The frames of the protocol: one schema per client frame, from which its type is inferred, and one type per server frame.
 * Source: docs/protocol.md, "Client → server" and "Server → client". Unknown fields are ignored.
 */

/** A frame costs one token of its user per this many bytes begun. */
export const BYTES_PER_TOKEN = 4_096;

const frameId = v.optional(v.union([v.pipe(v.string(), v.maxLength(64)), v.pipe(v.number(), v.safeInteger())]));
const roomSlug = v.pipe(v.string(), v.check(isRoomSlug));
const topic = v.pipe(v.string(), v.check(isTopic));
const messageId = v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(64)));

/** Behind which message something is missing: a position that the server gave before. */
const position = v.object({
  offset: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  epoch: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
});

/** A frame about a topic names a room by `roomSlug` or any topic by `topic`, never both. */
const place = { roomSlug: v.optional(roomSlug), topic: v.optional(topic) };

function namesOnePlace(frame: { roomSlug?: string | undefined; topic?: string | undefined }): boolean {
  return (frame.roomSlug === undefined) !== (frame.topic === undefined);
}

export const clientFrames = {
  auth: v.object({ id: frameId, token: v.string() }),
  refresh: v.object({ id: frameId, token: v.string() }),
  join_room: v.object({ id: frameId, roomSlug, recover: v.optional(position) }),
  leave_room: v.object({ id: frameId, roomSlug }),
  chat_message: v.object({ id: frameId, roomSlug, message: v.string(), messageId }),
  subscribe: v.object({ id: frameId, topic, token: v.optional(v.string()), recover: v.optional(position) }),
  unsubscribe: v.object({ id: frameId, topic }),
  subscribe_conversation: v.object({
    id: frameId,
    conversation_id: v.union([v.pipe(v.string(), v.check(isId)), v.pipe(v.number(), v.safeInteger())]),
    recover: v.optional(position),
  }),
  publish: v.pipe(
    v.object({
      id: frameId,
      ...place,
      event: v.pipe(v.string(), v.check(isEventName)),
      data: v.optional(v.unknown()),
      messageId,
    }),
    v.check((frame) => namesOnePlace(frame)),
  ),
  typing: v.pipe(
    v.object({ id: frameId, ...place, isTyping: v.boolean() }),
    v.check((frame) => namesOnePlace(frame)),
  ),
  presence: v.pipe(
    v.object({ id: frameId, ...place, after: v.optional(v.pipe(v.string(), v.regex(/^\d{1,15}$/))) }),
    v.check((frame) => namesOnePlace(frame)),
  ),
  history: v.pipe(
    v.object({
      id: frameId,
      ...place,
      since: v.optional(position),
      limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
    }),
    v.check((frame) => namesOnePlace(frame)),
  ),
  ping: v.object({ id: frameId }),
  pong: v.object({ id: frameId }),
} as const;

export type ClientFrameType = keyof typeof clientFrames;
export type ClientFrame<T extends ClientFrameType> = v.InferOutput<(typeof clientFrames)[T]>;
export type FrameId = string | number;

export interface WireUser {
  readonly userId: string | number;
  readonly username: string;
}

/** What `connected` and `auth_success` tell about the connection. */
export interface Welcome {
  readonly protocol: 1;
  readonly connectionId: string;
  readonly user: {
    readonly id: string | number;
    readonly username: string;
    readonly name: string;
    readonly roles: readonly string[];
    readonly permissions: readonly string[];
  };
  /** What the client called itself, where the endpoint asks. */
  readonly sessionId?: string;
  readonly characterId?: string;
  readonly endpoint: string;
  /** The automatic topics with their positions. */
  readonly topics: readonly { readonly topic: string; readonly offset: number; readonly epoch: string }[];
  /** Milliseconds since 1970; null when the token does not end. */
  readonly expiresAt: number | null;
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly limits: {
    readonly maxMessageBytes: number;
    readonly maxTopics: number;
    readonly messagesPerSecond: number;
  };
  readonly nodeId: string;
}

/** What every greeting of a node says alike. */
export type Terms = Pick<Welcome, "heartbeat" | "limits" | "nodeId">;

/** The rest of `connected` and `auth_success`. */
export interface Greeting extends Omit<Welcome, keyof Terms> {
  readonly type: "connected" | "auth_success";
  readonly timestamp: number;
  message?: string;
  id?: FrameId;
}

/** What the answer to every kind of join says. Messages that were missed follow as `messages`. */
export interface Joined extends Stamped {
  /** Distinct users, the joiner included; absent where nobody is announced. */
  readonly userCount?: number;
  /** Where live frames go on. */
  readonly offset: number;
  readonly epoch: string;
  /** Present when the join asked for a recovery, and whether it got one. */
  readonly wasRecovering?: boolean;
  readonly recovered?: boolean;
}

/** Every frame from the server has `type` and `timestamp`; replies carry the `id` of the frame that they answer. */
interface Stamped {
  readonly timestamp: number;
  readonly id?: FrameId;
}

interface InRoom {
  readonly roomSlug?: string;
  readonly topic?: string;
}

/** Why a topic was left: asked for, no access any more, the token that gave it has ended, taken away by the backend. */
export type UnsubscribeCode = "OK" | "FORBIDDEN" | "TOKEN_EXPIRED" | "REVOKED";

export type ServerFrame = Stamped &
  (
    | ({ readonly type: "connected" } & Welcome)
    | ({ readonly type: "auth_success"; readonly message: string } & Welcome)
    | {
        readonly type: "auth_error";
        readonly message: string;
        readonly code: ErrorCode;
        readonly retryAfterMs?: number;
      }
    | {
        readonly type: "auth_refreshed";
        readonly expiresAt: number | null;
        readonly kept: readonly string[];
        readonly lost: readonly string[];
        readonly gained: readonly string[];
      }
    | { readonly type: "auth_expiring"; readonly expiresAt: number }
    | ({ readonly type: "room_joined"; readonly roomSlug: string; readonly message: string } & Joined)
    | { readonly type: "room_left"; readonly roomSlug: string }
    | ({ readonly type: "subscribed"; readonly conversation_id?: string | number } & InRoom & Joined)
    | ({ readonly type: "recovered"; readonly messages: readonly unknown[]; readonly more: boolean } & InRoom)
    | ({
        readonly type: "history";
        readonly messages: readonly unknown[];
        readonly offset: number;
        readonly epoch: string;
        readonly recovered?: boolean;
      } & InRoom)
    | ({ readonly type: "unsubscribed"; readonly code: UnsubscribeCode; readonly reason: string } & InRoom)
    | ({ readonly type: "user_joined" | "user_left"; readonly data: WireUser & InRoom } & InRoom)
    | ({
        readonly type: "presence_diff";
        readonly joined?: readonly WireUser[];
        readonly left?: readonly WireUser[];
        readonly userCount: number;
      } & InRoom)
    | ({
        readonly type: "presence_state";
        readonly users: readonly WireUser[];
        readonly userCount: number;
        readonly next?: string;
      } & InRoom)
    | {
        readonly type: "message_sent";
        readonly messageId: string;
        readonly roomSlug: string;
        readonly offset: number;
        readonly epoch: string;
      }
    | ({
        readonly type: "published";
        readonly messageId: string;
        readonly offset: number;
        readonly epoch: string;
      } & InRoom)
    | ({ readonly type: "typing"; readonly isTyping: boolean } & WireUser & InRoom)
    | { readonly type: "ping" | "pong" }
    | { readonly type: "server_draining"; readonly retryAfterMs: number }
    | ({
        readonly type: "error";
        readonly code: ErrorCode;
        readonly message: string;
        readonly messageId?: string;
        readonly retryAfterMs?: number;
        readonly limit?: number;
        readonly actual?: number;
        readonly correlationId?: string;
      } & InRoom)
  );

/** A frame that carries messages, without them: they are encoded already, and go behind it. */
export type Around<T extends "recovered" | "history"> = Omit<Extract<ServerFrame, { type: T }>, "messages">;

/** A chat message before it has its position: `data.id` and `offset` are the position's. */
export interface ChatMessage {
  readonly type: "new_message";
  readonly timestamp: number;
  readonly roomSlug: string;
  readonly data: {
    readonly slug: string;
    readonly chatRoomSlug: string;
    readonly userSlug: string;
    readonly username: string;
    readonly messageType: "TEXT";
    readonly message: string;
    readonly createdAt: string;
  };
}

/** A published event before it has its position. */
export interface PublishedEvent {
  /** The event's own name. */
  readonly type: string;
  readonly timestamp: number;
  readonly roomSlug?: string;
  readonly topic?: string;
  readonly data: unknown;
  readonly messageId: string;
  /** Absent exactly when the backend published: no client can forge its messages. */
  readonly from?: WireUser;
}

/** What a reply repeats of the frame that it answers. */
export function replyTo(frame: { id?: FrameId | undefined }): { id?: FrameId } {
  return frame.id === undefined ? {} : { id: frame.id };
}
