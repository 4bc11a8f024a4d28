import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";

/** The shape of a JWT in JWS compact serialisation (RFC 7515 section 7.1), before and without any trust in it. */

export const MAX_TOKEN_LENGTH = 8_192;
const MAX_KEY_ID_LENGTH = 128;
const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;

/**
 * Header members that change what is signed or bring their own key (RFC 7515 section 4.1, RFC 7797): a token with one of them is
 * refused whatever its value, so nothing in a token ever makes the node fetch or trust a key.
 */
const REFUSED_MEMBERS = ["crit", "b64", "zip", "jwk", "jku", "x5c", "x5u"] as const;

export interface ParsedToken {
  readonly alg: string;
  /** Opaque name of the key: at most 128 printable characters. */
  readonly kid: string | null;
  /** As it stands; only read when a type is asked for. */
  readonly typ: unknown;
  /** What the signature is over: the first two parts with their dot. */
  readonly signingInput: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** Null for anything but three non-empty canonical base64url parts, the first of which is a header that may be trusted to be read. */
export function parseToken(token: string): ParsedToken | null {
  if (token.length > MAX_TOKEN_LENGTH) return null;
  const first = token.indexOf(".");
  const last = token.lastIndexOf(".");
  if (first === last) return null;
  const headerBytes = decodeBase64url(token.slice(0, first));
  const payload = decodeBase64url(token.slice(first + 1, last));
  const signature = decodeBase64url(token.slice(last + 1));
  if (headerBytes === null || payload === null || signature === null) return null;
  const header = parseObject(headerBytes);
  if (header === null || REFUSED_MEMBERS.some((member) => Object.hasOwn(header, member))) return null;
  const { alg, kid, typ } = header;
  if (typeof alg !== "string" || (kid !== undefined && !isKeyId(kid))) return null;
  return { alg, kid: kid ?? null, typ, signingInput: token.slice(0, last), payload, signature };
}

/**
 * The bytes; null when the text is empty or not the one canonical encoding of them: padding, other alphabets, line breaks and non-zero
 * trailing bits would let one token be written in many ways (RFC 4648 sections 3.5 and 12).
 */
export function decodeBase64url(text: string): Uint8Array | null {
  if (text === "") return null;
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : null;
}

/** Without the BOM that a decoder would drop silently: RFC 8259 section 8.1 forbids to send one. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A JSON object from UTF-8; null for all else. Of a repeated name the last one counts, as RFC 7519 section 4 permits. */
export function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isKeyId(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_KEY_ID_LENGTH && PRINTABLE_ASCII.test(value);
}

/** Compares in constant time. The caller has bound `hash` and `key` to each other and to the token's algorithm. */
export function isHmacValid(token: ParsedToken, hash: string, key: KeyObject): boolean {
  const expected = createHmac(hash, key).update(token.signingInput).digest();
  return expected.length === token.signature.length && timingSafeEqual(expected, token.signature);
}
