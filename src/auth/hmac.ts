import { createHmac, timingSafeEqual } from "node:crypto";

export type HmacHash = "sha256" | "sha384" | "sha512";

/** Verifies HMACs (RFC 2104) of one key with one hash. */
export class Hmac {
  readonly #digest: (text: string) => Uint8Array;
  readonly #received: Buffer;
  readonly #encodedLength: number;

  constructor(hash: HmacHash, key: Uint8Array) {
    this.#digest = keyed(hash, key);
    const { length } = this.#digest("");
    this.#received = Buffer.alloc(length);
    this.#encodedLength = Math.ceil((length * 4) / 3);
  }

  /** `signature` is base64url; that it is the canonical one is for the caller to see. Compares in constant time. */
  isValid(text: string, signature: string): boolean {
    if (signature.length !== this.#encodedLength) return false;
    // What it leaves unwritten is still there from the signature before.
    if (this.#received.write(signature, "base64url") !== this.#received.length) return false;
    return timingSafeEqual(this.#digest(text), this.#received);
  }
}

/** In Bun the part of an HMAC that depends on the key alone is computed once, and copied: a quarter of the time of `node:crypto`. */
function keyed(hash: HmacHash, key: Uint8Array): (text: string) => Uint8Array {
  if (typeof Bun === "undefined") return (text) => createHmac(hash, key).update(text).digest();
  const begun = new Bun.CryptoHasher(hash, key);
  return (text) => begun.copy().update(text).digest();
}
