import type { ChatMessage, PublishedEvent, ServerFrame } from "./server-frames.ts";

/** A message with its place in the stream of its topic. */
export interface PositionedBody {
  readonly body: MessageBody;
  readonly offset: number;
  readonly epoch: string;
}

/**
 * One framing of the protocol: `json.ts` and `msgpack.ts`. Frames of one framing share a native topic: `prefix` + the topic's name.
 * The suite in `test/contract/codec.ts` holds what this file promises. Fields that are undefined are left out.
 */
export interface Codec {
  readonly name: "json" | "msgpack";
  readonly prefix: string;
  encode(frame: ServerFrame): string | Uint8Array;
  /** Fields that many frames share, encoded once for all of them. */
  encodeFields(fields: object): EncodedFields;
  /** The field `messages`: every one as it went out live, in that order. */
  encodeMessages(messages: readonly PositionedBody[]): EncodedFields;
  /** A frame of at least one field, with the encoded ones behind its own. */
  encodeWith(frame: object, fields: EncodedFields): string | Uint8Array;
  /** A message with its position, as every member of the topic sees it. */
  encodePositioned(body: MessageBody, offset: number, epoch: string): string | Uint8Array;
}

/** A part of a frame in one framing: some of its fields, without what stands around them. */
export interface EncodedFields {
  readonly count: number;
  readonly encoded: string | Uint8Array;
}

/**
 * A message before it has a position: the JSON text of its frame without the closing braces. A chat message says its offset inside
 * `data` too, so there `data` stands last and is left open as well.
 */
export interface MessageBody {
  readonly kind: "chat" | "event";
  readonly json: string;
}

export function chatBody(message: ChatMessage): MessageBody {
  return { kind: "chat", json: JSON.stringify(message).slice(0, -2) };
}

/** `dataJson` is the field `data`, which whoever measured it has encoded already. */
export function eventBody(event: Omit<PublishedEvent, "data">, dataJson: string): MessageBody {
  return { kind: "event", json: `${JSON.stringify(event).slice(0, -1)},"data":${dataJson}` };
}
