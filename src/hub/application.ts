import * as v from "valibot";
import { ProtocolError } from "../protocol/codes.ts";
import { isEventName } from "../protocol/event-name.ts";
import { type OwnFrame, ownFrame } from "../protocol/own-frame.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";

/** The application that a node runs inside of, as far as it wants to hear of connections. */
export interface Application {
  /** Behind the greeting. A promise when the connection's frames have to wait. Never throws. */
  connected(connection: Connection): void | Promise<void>;
  /** After the end of every connection that was greeted; the close code. Never throws. */
  disconnected(connection: Connection, code: number): void;
  /** A frame of a type of the application's own; null when it has none. May throw or reject: the client gets an error. */
  readonly message: ((connection: Connection, frame: OwnFrame) => void | Promise<void>) | null;
}

/** A frame that is none of the protocol's. Throws UNKNOWN_TYPE where no application takes it, BAD_MESSAGE for a wrong `id`. */
export function ownMessage(
  hub: Hub,
  connection: Connection,
  decoded: Readonly<Record<string, unknown>>,
): void | Promise<void> {
  const { type } = decoded;
  if (typeof type !== "string") throw new ProtocolError("BAD_MESSAGE");
  const message = hub.application?.message ?? null;
  if (message === null || !isEventName(type)) throw new ProtocolError("UNKNOWN_TYPE");
  hub.metrics.framesIn.add(type);
  const frame = v.safeParse(ownFrame, decoded, { abortEarly: true });
  if (!frame.success) throw new ProtocolError("BAD_MESSAGE");
  return message(connection, frame.output);
}
