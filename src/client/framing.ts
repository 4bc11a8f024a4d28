/** How frames travel. Both say the same; a frame is JSON until it is sent. */
export interface Framing {
  readonly subprotocol: string;
  encode(json: string): string | Uint8Array<ArrayBuffer>;
  /** Throws when it is none. */
  decode(data: unknown): unknown;
}

export const jsonFraming: Framing = {
  subprotocol: "tautline.v1.json",
  encode: (json) => json,
  decode: (data) => JSON.parse(String(data)),
};
