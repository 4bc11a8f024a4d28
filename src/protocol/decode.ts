import { ProtocolError } from "./codes.ts";
import { checkValue, isMap } from "./value.ts";

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
