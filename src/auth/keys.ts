import { createPublicKey, type KeyObject } from "node:crypto";
import { compactVerify, type CryptoKey } from "jose";
import type { Clock } from "../observe/clock.ts";
import { Hmac, type HmacHash } from "./hmac.ts";
import { RemoteKeys } from "./jwks.ts";
import type { ParsedToken } from "./jwt.ts";
import { weakness } from "./secret.ts";

export interface KeyOptions {
  /** For HS256, HS384, HS512; its UTF-8 bytes are the key. */
  readonly secret: string | null;
  /** One public key or certificate in PEM. */
  readonly publicKeyPem: string | null;
  readonly jwksUrl: string | null;
  /** The only ones accepted; empty: all that fit the configured keys, but of the HS family HS256 alone. */
  readonly algorithms: readonly string[];
}

export interface HmacKey {
  readonly kind: "hmac";
  readonly hmac: Hmac;
}

export type PublicKey = KeyObject | CryptoKey;

export interface PublicKeys {
  readonly kind: "public";
  /** How long a verified token may be trusted without another look at the keys. */
  readonly maxCacheMs: number;
  /** Null when no key fits. Rejects with KeysUnavailable. */
  find(token: ParsedToken): PublicKey | Promise<PublicKey | null>;
}

/** Which key an algorithm needs, so that no token can choose to be verified with another kind (RFC 8725 section 3.1). */
const HMAC_HASHES: ReadonlyMap<string, HmacHash> = new Map([
  ["HS256", "sha256"],
  ["HS384", "sha384"],
  ["HS512", "sha512"],
]);

/** RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864 section 2.2; kinds of key by the names of `node:crypto`. */
const PUBLIC_KINDS: ReadonlyMap<string, string> = new Map([
  ["RS256", "rsa"],
  ["RS384", "rsa"],
  ["RS512", "rsa"],
  ["PS256", "rsa"],
  ["PS384", "rsa"],
  ["PS512", "rsa"],
  ["ES256", "prime256v1"],
  ["ES384", "secp384r1"],
  ["ES512", "secp521r1"],
  ["EdDSA", "ed25519"],
  ["Ed25519", "ed25519"],
]);

const MIN_RSA_BITS = 2_048;
const MIN_RSA_EXPONENT = 3n;
const MAX_REMOTE_CACHE_MS = 300_000;

/** The configured keys, each bound to its algorithms: what a token's header names is looked up here and nowhere else. */
export class KeySet {
  readonly #byAlgorithm: ReadonlyMap<string, HmacKey | PublicKeys>;
  readonly #remote: RemoteKeys | null;

  private constructor(byAlgorithm: ReadonlyMap<string, HmacKey | PublicKeys>, remote: RemoteKeys | null) {
    this.#byAlgorithm = byAlgorithm;
    this.#remote = remote;
  }

  /**
   * Throws an `Error` whose text names the setting and never its value: no key at all, a weak secret, a key of another kind than the
   * algorithms need, RSA under 2,048 bits. `onChange` runs when a fetched key set replaces another.
   */
  static create(options: KeyOptions, clock: Clock, onChange: () => void): KeySet {
    if (options.publicKeyPem !== null && options.jwksUrl !== null) {
      throw new Error("JWT_PUBLIC_KEY and JWKS_URL exclude each other");
    }
    const byAlgorithm = new Map<string, HmacKey | PublicKeys>();
    const asked = (fitting: readonly string[], fallback = fitting): readonly string[] =>
      options.algorithms.length === 0 ? fallback : fitting.filter((alg) => options.algorithms.includes(alg));
    const bind = (
      setting: string,
      algorithms: readonly string[],
      keys: (alg: string) => HmacKey | PublicKeys,
    ): void => {
      if (algorithms.length === 0) throw new Error(`JWT_ALGORITHMS: none fits ${setting}`);
      for (const alg of algorithms) byAlgorithm.set(alg, keys(alg));
    };

    if (options.secret !== null) {
      const problem = weakness(options.secret, options.algorithms);
      if (problem !== null) throw new Error(`JWT_SECRET ${problem}`);
      const key = Buffer.from(options.secret, "utf8");
      bind("JWT_SECRET", asked([...HMAC_HASHES.keys()], ["HS256"]), (alg) => hmacKey(alg, key));
    }
    if (options.publicKeyPem !== null) {
      const key = readPublicKey(options.publicKeyPem);
      const keys: PublicKeys = { kind: "public", maxCacheMs: Number.POSITIVE_INFINITY, find: () => key };
      const kind = kindOf(key);
      bind(
        "JWT_PUBLIC_KEY",
        asked([...PUBLIC_KINDS.keys()].filter((alg) => PUBLIC_KINDS.get(alg) === kind)),
        () => keys,
      );
    }
    let remote: RemoteKeys | null = null;
    if (options.jwksUrl !== null) {
      const fetched = new RemoteKeys(options.jwksUrl, clock, onChange);
      const keys: PublicKeys = {
        kind: "public",
        maxCacheMs: MAX_REMOTE_CACHE_MS,
        find: (token) => fetched.find(token.alg, token.kid),
      };
      bind("JWKS_URL", asked([...PUBLIC_KINDS.keys()]), () => keys);
      remote = fetched;
    }
    if (byAlgorithm.size === 0) throw new Error("JWT_SECRET is needed, or JWT_PUBLIC_KEY or JWKS_URL");
    const stray = options.algorithms.find((alg) => !byAlgorithm.has(alg));
    if (stray !== undefined) throw new Error("JWT_ALGORITHMS: an entry fits none of the configured keys");
    return new KeySet(byAlgorithm, remote);
  }

  /** Null when the algorithm is not accepted. */
  get(alg: string): HmacKey | PublicKeys | null {
    return this.#byAlgorithm.get(alg) ?? null;
  }

  /** False until a remote key set was fetched, and again when it has become too old. */
  get ready(): boolean {
    return this.#remote?.ready ?? true;
  }

  /** Fetches a remote key set when it is due. */
  sweep(): void {
    this.#remote?.sweep();
  }
}

/** `key` is one that `find` gave for this token. */
export async function isSignatureValid(token: string, alg: string, key: PublicKey): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}

function hmacKey(alg: string, key: Uint8Array): HmacKey {
  const hash = HMAC_HASHES.get(alg);
  if (hash === undefined) throw new Error(`${alg} is no HMAC`);
  return { kind: "hmac", hmac: new Hmac(hash, key) };
}

function readPublicKey(pem: string): KeyObject {
  // createPublicKey would derive the public key: but a private key does not belong on a node that only verifies.
  if (pem.includes("PRIVATE KEY")) throw new Error("JWT_PUBLIC_KEY is a private key: give the public one");
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error("JWT_PUBLIC_KEY is no public key in PEM");
  }
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined && modulusLength < MIN_RSA_BITS) {
    throw new Error(`JWT_PUBLIC_KEY: RSA keys need ${MIN_RSA_BITS} bits`);
  }
  if (publicExponent !== undefined && publicExponent < MIN_RSA_EXPONENT) {
    throw new Error("JWT_PUBLIC_KEY: the RSA exponent is too small");
  }
  return key;
}

function kindOf(key: KeyObject): string | undefined {
  return key.asymmetricKeyType === "ec" ? key.asymmetricKeyDetails?.namedCurve : key.asymmetricKeyType;
}
