import { ProtocolError } from "./codes.ts";
import type { ChatMessage, Greeting, ServerFrame, Terms } from "./frames.ts";
import { checkValue, isMap } from "./value.ts";

/** One framing of the protocol. Frames of one framing share a native topic: `prefix` + the topic's name. */
export interface Codec {
  readonly name: "json";
  readonly prefix: string;
  encode(frame: ServerFrame): string | Uint8Array;
  /** The node's terms, encoded once for all greetings. */
  encodeTerms(terms: Terms): EncodedTerms;
  encodeGreeting(greeting: Greeting, terms: EncodedTerms): string | Uint8Array;
  /** A message with its position, as every member of the topic sees it. */
  encodePositioned(body: MessageBody, offset: number, epoch: string): string | Uint8Array;
}

/** A part of a frame, in one framing. */
export type EncodedTerms = string;

/**
 * A message before it has a position: the JSON text of its frame without the closing braces. A chat message says its offset inside
 * `data` too, so there `data` stands last and is left open as well.
 */
export interface MessageBody {
  readonly kind: "chat" | "event";
  readonly json: string;
}

export const jsonCodec: Codec = {
  name: "json",
  prefix: "j/",
  encode: (frame) => JSON.stringify(frame),
  encodeTerms: (terms) => JSON.stringify(terms).slice(1),
  encodeGreeting: (greeting, terms) => `${JSON.stringify(greeting).slice(0, -1)},${terms}`,
  encodePositioned,
};

export function chatBody(message: ChatMessage): MessageBody {
  return { kind: "chat", json: JSON.stringify(message).slice(0, -2) };
}

/** Appends the position. Every node does this with what the broker gave it, so that the body is encoded once. */
function encodePositioned(body: MessageBody, offset: number, epoch: string): string {
  const end = `"offset":${offset},"epoch":"${epoch}"}`;
  return body.kind === "chat" ? `${body.json},"id":${offset}},${end}` : `${body.json},${end}`;
}

/** A frame from a client, whichever framing it chose for it: text is JSON. Throws BAD_MESSAGE. */
export function decodeFrame(data: string | Uint8Array): Readonly<Record<string, unknown>> {
  if (typeof data !== "string") throw new ProtocolError("BAD_MESSAGE");
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new ProtocolError("BAD_MESSAGE");
  }
  if (!isMap(value)) throw new ProtocolError("BAD_MESSAGE");
  checkValue(value);
  return value;
}
