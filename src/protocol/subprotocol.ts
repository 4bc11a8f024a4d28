import type { Codec } from "./codec.ts";
import { jsonCodec } from "./json.ts";
import { msgpackCodec } from "./msgpack.ts";

/** The values of `?format=`. */
const FORMATS: ReadonlyMap<string, Codec> = new Map([
  ["json", jsonCodec],
  ["msgpack", msgpackCodec],
]);

/** The subprotocol names that choose a framing; `auth` carries a token and stands for JSON. */
export const SUBPROTOCOLS: ReadonlyMap<string, Codec> = new Map([
  ...FORMATS,
  ["tautline.v1.json", jsonCodec],
  ["tautline.v1.msgpack", msgpackCodec],
]);

export interface Negotiated {
  readonly codec: Codec;
  /** What the 101 answers; null answers none. */
  readonly subprotocol: string | null;
}

const PLAIN_JSON: Negotiated = { codec: jsonCodec, subprotocol: null };

/**
 * The first known name of the offer decides, else `auth` when it carried the token, else `?format=`, else JSON (RFC 6455 section 4.2.2:
 * only what was offered may be answered).
 */
export function negotiate(offer: string | null, format: string | null, offersToken: boolean): Negotiated {
  if (offer !== null) {
    for (const part of offer.split(",")) {
      const name = part.trim();
      const codec = SUBPROTOCOLS.get(name);
      if (codec !== undefined) return { codec, subprotocol: name };
    }
    if (offersToken) return { codec: jsonCodec, subprotocol: "auth" };
  }
  const codec = format === null ? undefined : FORMATS.get(format);
  return codec === undefined ? PLAIN_JSON : { codec, subprotocol: null };
}
