import type { Codec, EncodedFields, MessageBody, PositionedBody } from "./codec.ts";

/** JSON in text frames. */
export const jsonCodec: Codec = {
  name: "json",
  prefix: "j/",
  encode: (frame) => JSON.stringify(frame),
  encodeFields,
  encodeMessages,
  encodeWith: (frame, { count, encoded }) =>
    count === 0 ? JSON.stringify(frame) : `${JSON.stringify(frame).slice(0, -1)},${String(encoded)}}`,
  encodePositioned: jsonOf,
};

function encodeFields(fields: object): EncodedFields {
  const count = Object.values(fields).filter((value) => value !== undefined).length;
  return { count, encoded: JSON.stringify(fields).slice(1, -1) };
}

/** Appends the position. Every node does this with what the broker gave it, so that the body is encoded once. */
export function jsonOf(body: MessageBody, offset: number, epoch: string): string {
  const end = `"offset":${offset},"epoch":"${epoch}"}`;
  return body.kind === "chat" ? `${body.json},"id":${offset}},${end}` : `${body.json},${end}`;
}

function encodeMessages(messages: readonly PositionedBody[]): EncodedFields {
  const texts = messages.map(({ body, offset, epoch }) => jsonOf(body, offset, epoch));
  return { count: 1, encoded: `"messages":[${texts.join(",")}]` };
}
