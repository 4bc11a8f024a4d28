import type { Codec, EncodedFields, MessageBody, PositionedBody } from "./codec.ts";

/** JSON in text frames. */
export const jsonCodec: Codec = {
  name: "json",
  prefix: "j/",
  encode: (frame) => JSON.stringify(frame),
  encodeFields: (fields) => ({ count: Object.keys(fields).length, encoded: JSON.stringify(fields).slice(1, -1) }),
  encodeMessages,
  encodeWith: (frame, { encoded }) => `${JSON.stringify(frame).slice(0, -1)},${String(encoded)}}`,
  encodePositioned: jsonOf,
};

/** Appends the position. Every node does this with what the broker gave it, so that the body is encoded once. */
export function jsonOf(body: MessageBody, offset: number, epoch: string): string {
  const end = `"offset":${offset},"epoch":"${epoch}"}`;
  return body.kind === "chat" ? `${body.json},"id":${offset}},${end}` : `${body.json},${end}`;
}

function encodeMessages(messages: readonly PositionedBody[]): EncodedFields {
  const texts = messages.map(({ body, offset, epoch }) => jsonOf(body, offset, epoch));
  return { count: 1, encoded: `"messages":[${texts.join(",")}]` };
}
