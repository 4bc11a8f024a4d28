/** How frames travel. Both say the same; a frame is JSON until it is sent. */
export interface Framing {
  readonly subprotocol: string;
  encode(json: string): string | Uint8Array<ArrayBuffer>;
  /** Throws when it is none. */
  decode(data: unknown): unknown;
}

const json: Framing = {
  subprotocol: "tautline.v1.json",
  encode: (text) => text,
  decode: (data) => JSON.parse(String(data)),
};

/** The library of MessagePack is loaded only when it is asked for. */
export async function loadFraming(format: "json" | "msgpack"): Promise<Framing> {
  if (format === "json") return json;
  const { Packr } = await import("msgpackr");
  const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: "number" });
  return {
    subprotocol: "tautline.v1.msgpack",
    encode: (text) => new Uint8Array(packr.pack(JSON.parse(text))),
    decode: (data) => packr.unpack(new Uint8Array(data instanceof ArrayBuffer ? data : [])),
  };
}
