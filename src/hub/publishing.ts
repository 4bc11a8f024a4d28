import type { Identity, Position } from "../broker/broker.ts";
import { eventBody } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import { replyTo } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import { placeOf, topicOf } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";
import { principalOf, requireAccess } from "./guards.ts";
import type { Hub } from "./hub.ts";

/** Bytes of one event's `data` as JSON. */
const MAX_DATA_BYTES = 16_384;

/** Under whom message ids of the backend are remembered: no user can have this id, and so none can use them up. */
const BACKEND = "(backend)";

/** Before the name of an event: a character that no chat message has, so that no text is taken for the event sent again. */
const EVENT = "\u0000";

/** An event for a topic; `from` is null when the backend sends it. */
export interface EventToPublish {
  readonly topic: string;
  readonly event: string;
  readonly data: unknown;
  /** Made by the node when the sender gave none. */
  readonly messageId: string | undefined;
  readonly from: Principal | null;
}

export interface Published extends Position {
  readonly messageId: string;
}

/**
 * Gives an event to the broker, whether a client or the backend sent it. Nothing of the access is checked here. Throws or rejects
 * MESSAGE_TOO_LARGE, MESSAGE_ID_REUSED, PUBLISH_FAILED.
 */
export function publishEvent(hub: Hub, given: EventToPublish): Published | Promise<Published> {
  const { topic, event, from } = given;
  const dataJson = encodeData(given.data);
  const messageId = given.messageId ?? newMessageId();
  const sender = from === null ? {} : { from: { userId: from.wireId, username: from.username } };
  const fields = { type: event, timestamp: hub.clock.now(), ...placeOf(topic), messageId, ...sender };
  const body = eventBody(fields, dataJson);
  const identity: Identity | null =
    given.messageId === undefined
      ? null
      : { userId: from?.id ?? BACKEND, messageId, payload: `${EVENT}${event} ${dataJson}` };
  const position = hub.publish(topic, body, identity);
  if (position instanceof Promise) return position.then(({ offset, epoch }) => ({ messageId, offset, epoch }));
  return { messageId, offset: position.offset, epoch: position.epoch };
}

/** An event's `data` as JSON, once for its length, its identity and its frame. Throws MESSAGE_TOO_LARGE. */
export function encodeData(data: unknown): string {
  const json = JSON.stringify(data ?? null);
  // A UTF-16 unit is three bytes of UTF-8 at most: short ones need not be measured.
  const actual = json.length > MAX_DATA_BYTES / 3 ? Buffer.byteLength(json) : json.length;
  if (actual > MAX_DATA_BYTES) throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: MAX_DATA_BYTES, actual });
  return json;
}

/** The frame `publish`. */
export function publish(hub: Hub, connection: Connection, frame: ClientFrame<"publish">): void | Promise<void> {
  const topic = topicOf(frame);
  if (hub.joinedRoom(connection, topic)?.isOpenToMembers === true) return publishFrame(hub, connection, frame, topic);
  const asked = requireAccess(hub, connection, "write", topic);
  if (asked === undefined) return publishFrame(hub, connection, frame, topic);
  return asked.then(() => publishFrame(hub, connection, frame, topic));
}

function publishFrame(
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<"publish">,
  topic: string,
): void | Promise<void> {
  const { event, data, messageId } = frame;
  const published = publishEvent(hub, { topic, event, data, messageId, from: principalOf(connection) });
  if (!(published instanceof Promise)) return acknowledge(hub, connection, frame, topic, published);
  return published.then((known) => acknowledge(hub, connection, frame, topic, known));
}

function acknowledge(
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<"publish">,
  topic: string,
  known: Published,
): void {
  if (connection.state === "gone") return;
  connection.send({ type: "published", ...replyTo(frame), ...placeOf(topic), ...known, timestamp: hub.clock.now() });
}

/** 16 random bytes as 22 characters of base64url (RFC 4648 section 5). */
export function newMessageId(): string {
  return `srv_${Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url")}`;
}
