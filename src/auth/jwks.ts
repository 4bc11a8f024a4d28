import { createRemoteJWKSet, customFetch, errors, type CryptoKey } from "jose";
import * as v from "valibot";
import type { Clock } from "../observe/clock.ts";
import { boundedBody } from "./bounded-body.ts";
import { digestOf } from "./digest.ts";

const TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 262_144;
/** After a successful fetch, an unknown `kid` asks again no sooner. */
const COOLDOWN_MS = 30_000;
/** After a failed fetch nothing asks again before: the library's cooldown counts from successes only. */
const RETRY_MS = 5_000;
const REFRESH_MS = 300_000;
/** How long keys are used while the issuer's endpoint is away. */
const MAX_KEY_AGE_MS = 3_600_000;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** RFC 7517 section 5; which keys of it can be used is seen when one is looked for. */
const keySetSchema = v.object({ keys: v.array(v.looseObject({ kty: v.string() })) });

/** The keys cannot be had at the moment, which says nothing about the token. */
export class KeysUnavailable extends Error {
  constructor(cause?: unknown) {
    super("the key set cannot be fetched", { cause });
    this.name = "KeysUnavailable";
  }
}

/**
 * The issuer's keys behind `JWKS_URL` (RFC 7517 section 5), fetched once a key is first needed or `sweep` is called, then every five
 * minutes, and for an unknown `kid` at most every 30 s. The URL is the configured one and nothing else: no redirect, no claim and no
 * header of a token leads to another.
 */
export class RemoteKeys {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #refreshAtMs = Number.NEGATIVE_INFINITY;
  /** Digests of the body last fetched, and of the one whose keys are in use. */
  #fetched = "";
  #inUse = "";

  /** Throws an `Error` for a URL without TLS to anything but this machine. `onChange` runs when other keys are in use. */
  constructor(url: string, clock: Clock, onChange: () => void, timeoutMs = TIMEOUT_MS) {
    const parsed = URL.canParse(url) ? new URL(url) : null;
    const isLocal = parsed?.protocol === "http:" && LOOPBACK.test(parsed.hostname);
    if (parsed === null || (parsed.protocol !== "https:" && !isLocal)) {
      throw new Error("JWKS_URL: must be an https URL; plain http only to the loopback interface");
    }
    this.#clock = clock;
    this.#onChange = onChange;
    this.#keys = createRemoteJWKSet(parsed, {
      timeoutDuration: timeoutMs,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: MAX_KEY_AGE_MS,
      [customFetch]: this.#fetch,
    });
  }

  /** Keys were fetched and are not too old to be used. */
  get ready(): boolean {
    return this.#keys.fresh;
  }

  /** The one key that fits, or null when there is none or more than one. Rejects with KeysUnavailable. */
  async find(alg: string, kid: string | null): Promise<CryptoKey | null> {
    try {
      const key = await this.#keys(kid === null ? { alg } : { alg, kid });
      this.#noticeChange();
      return key;
    } catch (error) {
      this.#noticeChange();
      if (error instanceof KeysUnavailable || error instanceof errors.JWKSTimeout) throw error;
      if (this.#keys.jwks() === undefined) throw new KeysUnavailable(error);
      return null;
    }
  }

  sweep(): void {
    this.#noticeChange();
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#refreshAtMs || nowMs < this.#retryAtMs || this.#keys.reloading) return;
    this.#refreshAtMs = nowMs + REFRESH_MS;
    // Owned: a failure leaves the keys as they are, and `ready` and `find` tell of it.
    void this.#keys.reload().then(
      () => this.#noticeChange(),
      () => (this.#refreshAtMs = Number.NEGATIVE_INFINITY),
    );
  }

  #noticeChange(): void {
    if (this.#fetched === this.#inUse || this.#keys.reloading) return;
    this.#inUse = this.#fetched;
    this.#onChange();
  }

  readonly #fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (this.#clock.monotonic() < this.#retryAtMs) throw new KeysUnavailable();
    try {
      const response = await fetch(url, { ...init, redirect: "manual" });
      if (response.status !== 200) throw new KeysUnavailable();
      const body = await boundedBody(response, MAX_BODY_BYTES);
      if (body === null) throw new KeysUnavailable();
      const keySet = v.parse(keySetSchema, JSON.parse(body.toString("utf8")));
      this.#fetched = digestOf(body);
      return Response.json(keySet);
    } catch (error) {
      this.#retryAtMs = this.#clock.monotonic() + RETRY_MS;
      throw error instanceof KeysUnavailable ? error : new KeysUnavailable(error);
    }
  };
}
