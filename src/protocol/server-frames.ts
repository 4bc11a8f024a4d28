import * as v from "valibot";
import { ERROR_CODES } from "./codes.ts";
import {
  count,
  EVENT_NAME,
  frameId,
  id,
  messageId,
  NAMES_ONE_PLACE,
  namesOnePlace,
  type Place,
  position,
  roomSlug,
  topic,
} from "./fields.ts";

/**
 * The frames of the server: one schema per type, from which its TypeScript type is inferred. Source: docs/protocol.md, "Server → client".
 * Nothing checks a frame on its way out. The schemas serve the types, the contract files, and the tests, which hold every frame that a
 * test receives against its own; there an unknown field is a mismatch, while clients must ignore it.
 */

const list = <T extends v.GenericSchema>(item: T) => v.pipe(v.array(item), v.readonly());

const text = v.string();
const atMs = v.pipe(count, v.description("Milliseconds since 1970"));
const forMs = v.pipe(count, v.description("Milliseconds"));
const code = v.picklist(ERROR_CODES);
const expiresAt = v.pipe(v.nullable(count), v.description("Milliseconds since 1970; null when the token does not end"));

/** Present exactly when the frame answers one that had it. */
const reply = { id: v.exactOptional(frameId) };
const place = { roomSlug: v.exactOptional(roomSlug), topic: v.exactOptional(topic) };

const person = { userId: id, username: text };
const wireUser = v.strictObject(person);

function frame<const T extends string, const E extends v.ObjectEntries>(type: T, entries: E) {
  return v.strictObject({ type: v.literal(type), ...entries, timestamp: atMs });
}

/** A pipe keeps all that its schema has; said by a signature of its own, for through two generics the inference ends in `unknown`. */
function inOnePlace<S extends v.GenericSchema<unknown, Place>>(schema: S): S;
function inOnePlace(schema: v.GenericSchema<unknown, Place>): v.GenericSchema<unknown, Place> {
  return v.pipe(
    schema,
    v.check((value) => namesOnePlace(value)),
    v.metadata(NAMES_ONE_PLACE),
  );
}

const chat = {
  slug: v.pipe(messageId, v.description("The message id")),
  chatRoomSlug: roomSlug,
  userSlug: v.pipe(text, v.description("The id of the user, always as text")),
  username: text,
  messageType: v.literal("TEXT"),
  message: text,
  createdAt: v.pipe(text, v.isoTimestamp()),
};
const unplacedChat = frame("new_message", { roomSlug, data: v.strictObject(chat) });
const chatId = v.pipe(count, v.description("The offset"));
export const newMessage = frame("new_message", {
  roomSlug,
  data: v.strictObject({ ...chat, id: chatId }),
  ...position,
});

const event = {
  type: v.pipe(text, v.regex(EVENT_NAME), v.description("The name of the event, which no frame of the server has")),
  ...place,
  data: v.unknown(),
  messageId,
  from: v.pipe(v.exactOptional(wireUser), v.description("Absent exactly when the backend published")),
  timestamp: atMs,
};
const unplacedEvent = v.strictObject(event);
/** What members get of a published event: its type is the event's own name, so it stands beside the table. */
export const publishedEvent = inOnePlace(v.strictObject({ ...event, ...position }));

/** Everything that has a position, as it went out live. */
const messages = list(v.union([newMessage, publishedEvent]));

const joined = {
  ...reply,
  userCount: v.pipe(
    v.exactOptional(count),
    v.description("Distinct users, the joiner included; absent where nobody is announced"),
  ),
  ...position,
  wasRecovering: v.pipe(v.exactOptional(v.boolean()), v.description("Present when the join asked for a recovery")),
  recovered: v.exactOptional(v.boolean()),
};
const unfilledJoin = v.strictObject({ ...joined, timestamp: atMs });

const terms = {
  heartbeat: v.strictObject({ intervalMs: forMs, timeoutMs: forMs }),
  limits: v.strictObject({ maxMessageBytes: count, maxTopics: count, messagesPerSecond: v.number() }),
  nodeId: text,
};
const welcome = {
  protocol: v.literal(1),
  connectionId: text,
  user: v.strictObject({ id, username: text, name: text, roles: list(text), permissions: list(text) }),
  sessionId: v.pipe(v.exactOptional(text), v.description("What the client called itself, where the endpoint asks")),
  characterId: v.exactOptional(text),
  endpoint: text,
  topics: v.pipe(list(v.strictObject({ topic, ...position })), v.description("What it receives without asking")),
  expiresAt,
};

/** Why a topic was left: asked for, no access any more, the token that gave it has ended, taken away by the backend. */
const unsubscribeCode = v.picklist(["OK", "FORBIDDEN", "TOKEN_EXPIRED", "REVOKED"]);

const details = {
  retryAfterMs: v.exactOptional(forMs),
  limit: v.exactOptional(count),
  actual: v.exactOptional(count),
  correlationId: v.pipe(v.exactOptional(text), v.description("Where to look in the log of the node")),
};

const presenceChange = { ...place, data: v.strictObject({ ...person, ...place }) };

export const serverFrames = {
  connected: frame("connected", { ...welcome, ...terms }),
  auth_success: frame("auth_success", { ...reply, message: text, ...welcome, ...terms }),
  auth_error: frame("auth_error", { ...reply, code, message: text, retryAfterMs: v.exactOptional(forMs) }),
  auth_refreshed: frame("auth_refreshed", {
    ...reply,
    expiresAt,
    kept: list(topic),
    lost: list(topic),
    gained: list(topic),
  }),
  auth_expiring: frame("auth_expiring", { expiresAt: atMs }),
  room_joined: frame("room_joined", { roomSlug, message: text, ...joined, messages: v.exactOptional(messages) }),
  room_left: frame("room_left", { ...reply, roomSlug }),
  subscribed: inOnePlace(
    frame("subscribed", {
      ...place,
      conversation_id: v.exactOptional(id),
      ...joined,
      messages: v.exactOptional(messages),
    }),
  ),
  unsubscribed: inOnePlace(frame("unsubscribed", { ...reply, ...place, code: unsubscribeCode, reason: text })),
  recovered: inOnePlace(frame("recovered", { ...place, messages, more: v.boolean() })),
  gap: inOnePlace(frame("gap", { ...place, ...position })),
  history: inOnePlace(
    frame("history", { ...reply, ...place, messages, ...position, recovered: v.exactOptional(v.boolean()) }),
  ),
  user_joined: inOnePlace(frame("user_joined", presenceChange)),
  user_left: inOnePlace(frame("user_left", presenceChange)),
  presence_diff: inOnePlace(
    frame("presence_diff", {
      ...place,
      joined: v.exactOptional(list(wireUser)),
      left: v.exactOptional(list(wireUser)),
      userCount: count,
    }),
  ),
  presence_state: inOnePlace(
    frame("presence_state", {
      ...reply,
      ...place,
      users: list(wireUser),
      userCount: count,
      next: v.exactOptional(text),
    }),
  ),
  message_sent: frame("message_sent", { ...reply, messageId, roomSlug, ...position }),
  new_message: newMessage,
  published: inOnePlace(frame("published", { ...reply, ...place, messageId, ...position })),
  typing: inOnePlace(frame("typing", { ...place, ...person, isTyping: v.boolean() })),
  ping: frame("ping", {}),
  pong: frame("pong", reply),
  server_draining: frame("server_draining", { retryAfterMs: forMs }),
  error: frame("error", { ...reply, ...place, messageId: v.exactOptional(messageId), code, message: text, ...details }),
} as const;

export type ServerFrameType = keyof typeof serverFrames;
type Frames = { readonly [T in ServerFrameType]: Readonly<v.InferOutput<(typeof serverFrames)[T]>> };
export type ServerFrame = Frames[ServerFrameType];

export type WireUser = Readonly<v.InferOutput<typeof wireUser>>;
export type UnsubscribeCode = v.InferOutput<typeof unsubscribeCode>;

/** What every greeting of a node says alike. */
export type Terms = Pick<Frames["connected"], keyof typeof terms>;

/** The rest of `connected` and `auth_success`. */
export interface Greeting extends Omit<Frames["connected"], keyof Terms | "type"> {
  readonly type: "connected" | "auth_success";
  message?: string;
  id?: v.InferOutput<typeof frameId>;
}

/** What the answer to every kind of join says. Messages that were missed follow as `messages`. */
export type Joined = Readonly<v.InferOutput<typeof unfilledJoin>>;

/** A frame that carries messages, without them: they are encoded already, and go behind it. */
export type Around<T extends "recovered" | "history"> = Omit<Frames[T], "messages">;

/** A chat message before it has its position: `data.id` and `offset` are the position's. */
export type ChatMessage = Readonly<v.InferOutput<typeof unplacedChat>>;

/** A published event before it has its position. */
export type PublishedEvent = Readonly<v.InferOutput<typeof unplacedEvent>>;
