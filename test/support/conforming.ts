import * as v from "valibot";
import { publishedEvent, serverFrames } from "../../src/protocol/server-frames.ts";

type Frame = { readonly [key: string]: unknown };

const SCHEMAS: ReadonlyMap<unknown, v.GenericSchema> = new Map(Object.entries(serverFrames));

/** A frame that an application sends under a name of its own: no event, since it has no message id. */
export function isOwn(frame: Frame): boolean {
  return !SCHEMAS.has(frame["type"]) && !Object.hasOwn(frame, "messageId");
}

/** The frame, when it is exactly what its schema says: a field that is unknown there is a mismatch too. Throws where it differs. */
export function conforming<T extends Frame>(frame: T): T {
  const { issues } = v.safeParse(SCHEMAS.get(frame["type"]) ?? publishedEvent, frame);
  if (issues === undefined) return frame;
  const differences = issues.map((issue) => `${v.getDotPath(issue) ?? "the frame"}: ${issue.message}`);
  throw new Error(`${JSON.stringify(frame)} is no ${String(frame["type"])} of the protocol: ${differences.join("; ")}`);
}
