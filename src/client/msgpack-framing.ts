import { Packr } from "msgpackr";
import type { Framing } from "./framing.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: "number" });

/** Loaded only when it is asked for, with its library. */
export const msgpackFraming: Framing = {
  subprotocol: "tautline.v1.msgpack",
  encode: (json) => new Uint8Array(packr.pack(JSON.parse(json))),
  decode: (data) => packr.unpack(new Uint8Array(data instanceof ArrayBuffer ? data : [])),
};
