import { createHmac, timingSafeEqual } from "node:crypto";

export type HmacHash = "sha256" | "sha384" | "sha512";

const DIGEST_BYTES: Readonly<Record<HmacHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** Verifies HMACs (RFC 2104) of one key with one hash. */
export class Hmac {
  readonly #digest: (text: string) => Uint8Array;
  readonly #received: Buffer;
  readonly #encodedLength: number;

  constructor(hash: HmacHash, key: Uint8Array) {
    const bytes = DIGEST_BYTES[hash];
    this.#digest = keyed(hash, key);
    this.#received = Buffer.alloc(bytes);
    this.#encodedLength = Math.ceil((bytes * 4) / 3);
  }

  /** `signature` is canonical base64url. Compares in constant time. */
  isValid(text: string, signature: string): boolean {
    if (signature.length !== this.#encodedLength) return false;
    this.#received.write(signature, "base64url");
    return timingSafeEqual(this.#digest(text), this.#received);
  }
}

/** In Bun the part of an HMAC that depends on the key alone is computed once, and copied: a quarter of the time of `node:crypto`. */
function keyed(hash: HmacHash, key: Uint8Array): (text: string) => Uint8Array {
  if (typeof Bun === "undefined") return (text) => createHmac(hash, key).update(text).digest();
  const begun = new Bun.CryptoHasher(hash, key);
  return (text) => begun.copy().update(text).digest();
}
