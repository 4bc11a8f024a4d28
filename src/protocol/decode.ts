import { Unpackr } from "msgpackr";
import { ProtocolError } from "./codes.ts";
import { checkMessagePack } from "./msgpack-check.ts";
import { checkValue, isMap } from "./value.ts";

export type DecodedFrame = Readonly<Record<string, unknown>>;

/** Integers of 64 bits as numbers, maps as objects, no records: what the check let through means what JSON would. */
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** A frame from a client, whichever framing it chose for it: text is JSON, bytes are MessagePack. Throws BAD_MESSAGE. */
export function decodeFrame(data: string | Uint8Array): DecodedFrame {
  return typeof data === "string" ? decodeJson(data) : decodeMessagePack(data);
}

function decodeJson(text: string): DecodedFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("BAD_MESSAGE");
  }
  if (!isMap(value)) throw new ProtocolError("BAD_MESSAGE");
  checkValue(value);
  return value;
}

/** Whatever passes the check decodes: a throw of the decoder would be a fault of ours, and is answered as one. */
function decodeMessagePack(bytes: Uint8Array): DecodedFrame {
  checkMessagePack(bytes);
  const value: unknown = unpackr.unpack(bytes);
  if (!isMap(value)) throw new ProtocolError("BAD_MESSAGE");
  return value;
}
