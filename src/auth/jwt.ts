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
  /** Canonical base64url, and so is the signature: each is decoded where it is needed. */
  readonly payload: string;
  readonly signature: string;
}

interface Header {
  readonly alg: string;
  readonly kid: string | null;
  readonly typ: unknown;
}

/** Null for anything but three non-empty canonical base64url parts, the first of which is a header that may be trusted to be read. */
export function parseToken(token: string): ParsedToken | null {
  if (token.length > MAX_TOKEN_LENGTH) return null;
  const first = token.indexOf(".");
  const last = token.lastIndexOf(".");
  if (first === last) return null;
  const header = headerOf(token.slice(0, first));
  if (header === null) return null;
  const payload = token.slice(first + 1, last);
  const signature = token.slice(last + 1);
  if (!isBase64url(payload) || !isBase64url(signature)) return null;
  const { alg, kid, typ } = header;
  return { alg, kid, typ, signingInput: token.slice(0, last), payload, signature };
}

/** All tokens of an issuer begin with one of a few headers: each is read once, and no more than this many are kept. */
const MAX_KNOWN_HEADERS = 256;
const MAX_KNOWN_HEADER_LENGTH = 512;
const knownHeaders = new Map<string, Header>();

function headerOf(text: string): Header | null {
  const known = knownHeaders.get(text);
  if (known !== undefined) return known;
  const header = readHeader(text);
  if (header === null || text.length > MAX_KNOWN_HEADER_LENGTH) return header;
  if (knownHeaders.size >= MAX_KNOWN_HEADERS) knownHeaders.clear();
  knownHeaders.set(text, header);
  return header;
}

function readHeader(text: string): Header | null {
  const header = isBase64url(text) ? parseObject(text) : null;
  if (header === null || REFUSED_MEMBERS.some((member) => Object.hasOwn(header, member))) return null;
  const { alg, kid, typ } = header;
  if (typeof alg !== "string" || (kid !== undefined && !isKeyId(kid))) return null;
  return { alg, kid: kid ?? null, typ };
}

const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** The last characters whose unused bits are zero, by how many characters are left of the last group of four (RFC 4648 section 3.5). */
const LAST_OF_TWO = "AQgw";
const LAST_OF_THREE = "AEIMQUYcgkosw048";

/**
 * False for an empty text and for all but the one canonical encoding of some bytes: padding, other alphabets, line breaks and non-zero
 * trailing bits would let one token be written in many ways (RFC 4648 sections 3.5 and 12).
 */
export function isBase64url(text: string): boolean {
  if (!BASE64URL.test(text)) return false;
  const left = text.length % 4;
  if (left === 0) return true;
  if (left === 1) return false;
  return (left === 2 ? LAST_OF_TWO : LAST_OF_THREE).includes(text.charAt(text.length - 1));
}

/** Without the BOM that a decoder would drop silently: RFC 8259 section 8.1 forbids to send one. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** No part of a token is longer. Written anew by every `parseObject`, which saves a buffer for each token. */
const decoded = Buffer.alloc(MAX_TOKEN_LENGTH);

/** A JSON object from UTF-8 in canonical base64url; null for all else. Of a repeated name the last one counts, as RFC 7519 section 4 permits. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(utf8.decode(decoded.subarray(0, decoded.write(text, "base64url"))));
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
