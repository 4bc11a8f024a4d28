import type * as v from "valibot";
import { clientFrames } from "../protocol/frames.ts";
import { newMessage, publishedEvent, serverFrames } from "../protocol/server-frames.ts";
import { sentSchema, takenSchema } from "./json-schema.ts";

/** Every frame type as a message of AsyncAPI 3.0, with a JSON Schema of its JSON. */

type Fields = Readonly<Record<string, unknown>>;

const DIALECT = "draft-07";

/** The frames that hold others are easier to read when these are named. */
const REFERENCES = {
  "#/components/schemas/server.new_message": newMessage,
  "#/components/schemas/server.event": publishedEvent,
};

type Direction = "client" | "server";

export interface Message {
  readonly key: string;
  readonly type: string;
  readonly schema: v.GenericSchema;
  readonly direction: Direction;
}

function message(direction: Direction, type: string, schema: v.GenericSchema): Message {
  return { key: `${direction}.${type}`, type, schema, direction };
}

export const CLIENT_MESSAGES = Object.entries<v.GenericSchema>(clientFrames).map(([type, schema]) =>
  message("client", type, schema),
);
export const SERVER_MESSAGES = [
  ...Object.entries<v.GenericSchema>(serverFrames).map(([type, schema]) => message("server", type, schema)),
  message("server", "event", publishedEvent),
];

export function reference(section: string, key: string): Fields {
  return { $ref: `#/${section}/${key}` };
}

export function describedMessage({ key, type, schema }: Message): Fields {
  const correlates = "entries" in schema && Object.keys(Object(schema.entries)).includes("id");
  return {
    name: type,
    title: key === "server.event" ? "A published event, whose type is its name" : type,
    payload: reference("components/schemas", key),
    ...(correlates && { correlationId: { description: "The answer has it too.", location: "$message.payload#/id" } }),
  };
}

/** The type of a client frame is looked up before its schema is, which therefore does not say it. */
export function payloadOf({ direction, type, schema }: Message): Fields {
  if (direction === "server") {
    const others = Object.entries(REFERENCES).filter(([, each]) => each !== schema);
    return { ...sentSchema(schema, DIALECT, Object.fromEntries(others)) };
  }
  const { properties, required = [], ...rest } = takenSchema(schema, DIALECT);
  return { ...rest, properties: { type: { const: type }, ...properties }, required: ["type", ...required] };
}
