import { afterEach, describe, expect, test } from "bun:test";
import { CompactSign, exportJWK, type JWK } from "jose";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { AuthOptions } from "../../src/auth/authenticate.ts";
import { KeysUnavailable, RemoteKeys } from "../../src/auth/jwks.ts";
import { FakeClock } from "../support/clock.ts";
import { authenticatorWith, claims, encode, outcome, SECRET, signed, until } from "./tokens.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const otherRsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const weakRsa = generateKeyPairSync("rsa", { modulusLength: 1_024 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ec384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const ed = generateKeyPairSync("ed25519");

function pem(key: KeyObject, type: "spki" | "pkcs1" = "spki"): string {
  return key.export({ type, format: "pem" });
}

function signedBy(privateKey: KeyObject, alg: string, header: object = {}, changes: object = {}): Promise<string> {
  const payload = new TextEncoder().encode(JSON.stringify(claims({ ...changes })));
  return new CompactSign(payload).setProtectedHeader({ alg, ...header }).sign(privateKey);
}

const PUBLIC: Partial<AuthOptions> = { secret: null, publicKeyPem: pem(rsa.publicKey) };

function verifyWith(options: Partial<AuthOptions>, token: string) {
  return outcome(() => authenticatorWith(options).verify(token, null));
}

describe("A public key", () => {
  const rows = [
    [rsa, "RS256", "RS512", "PS256"],
    [ec, "ES256"],
    [ec384, "ES384"],
    [ed, "EdDSA", "Ed25519"],
  ] as const;
  for (const [pair, ...algorithms] of rows) {
    for (const alg of algorithms) {
      test(`verifies ${alg}`, async () => {
        const token = await signedBy(pair.privateKey, alg);
        expect(await verifyWith({ ...PUBLIC, publicKeyPem: pem(pair.publicKey) }, token)).toBe("ok");
      });
    }
  }

  test("refuses what another key signed, and what was changed", async () => {
    expect(await verifyWith(PUBLIC, await signedBy(otherRsa.privateKey, "RS256"))).toBe("AUTH_FAILED");
    const [header, , signature] = (await signedBy(rsa.privateKey, "RS256")).split(".");
    expect(await verifyWith(PUBLIC, `${header}.${encode(claims({ sub: "mallory" }))}.${signature}`)).toBe(
      "AUTH_FAILED",
    );
  });

  test("counts what does not verify as a failed authentication, and remembers what does", async () => {
    const auth = authenticatorWith({ ...PUBLIC, authFailuresPerMinute: 1 });
    const seen = await signedBy(rsa.privateKey, "RS256");
    const unseen = await signedBy(rsa.privateKey, "RS256", {}, { sub: "bob" });
    const forged = await signedBy(otherRsa.privateKey, "RS256");
    expect(await outcome(() => auth.verify(seen, "192.0.2.1"))).toBe("ok");
    expect(await outcome(() => auth.verify(forged, "192.0.2.1"))).toBe("AUTH_FAILED");
    expect(await outcome(() => auth.verify(unseen, "192.0.2.1"))).toBe("RATE_LIMITED");
    expect(auth.verify(seen, "192.0.2.1")).toMatchObject({ id: "alice" });
  });

  test("applies the same claims check as the secret", async () => {
    expect(await verifyWith(PUBLIC, await signedBy(rsa.privateKey, "RS256", {}, { exp: 1 }))).toBe("TOKEN_EXPIRED");
    expect(await verifyWith(PUBLIC, await signedBy(rsa.privateKey, "RS256", {}, { sub: "" }))).toBe("AUTH_FAILED");
    expect(await verifyWith(PUBLIC, await signedBy(rsa.privateKey, "RS256", {}, { isActive: false }))).toBe(
      "FORBIDDEN",
    );
  });

  test("verifies only the algorithms that are configured", async () => {
    const options = { ...PUBLIC, algorithms: ["RS256"] };
    expect(await verifyWith(options, await signedBy(rsa.privateKey, "RS256"))).toBe("ok");
    expect(await verifyWith(options, await signedBy(rsa.privateKey, "PS512"))).toBe("AUTH_FAILED");
    expect(await verifyWith(options, await signedBy(ec.privateKey, "ES256"))).toBe("AUTH_FAILED");
  });

  test("is never taken for the secret of an HMAC", async () => {
    const text = pem(rsa.publicKey);
    const jwk = await exportJWK(rsa.publicKey);
    const secrets = [text, text.trimEnd(), pem(rsa.publicKey, "pkcs1"), jwk.n ?? "", ""];
    const der = new Uint8Array(rsa.publicKey.export({ type: "spki", format: "der" }));
    for (const secret of [...secrets, der]) {
      for (const alg of ["HS256", "RS256"]) {
        expect(await verifyWith(PUBLIC, signed(claims(), { header: { alg }, secret }))).toBe("AUTH_FAILED");
      }
    }
  });

  test("does not make the secret verify its algorithms", async () => {
    expect(await verifyWith({}, await signedBy(rsa.privateKey, "RS256"))).toBe("AUTH_FAILED");
  });

  test("works beside a secret, each for its own algorithms", async () => {
    const both = { ...PUBLIC, secret: SECRET };
    expect(await verifyWith(both, signed(claims()))).toBe("ok");
    expect(await verifyWith(both, await signedBy(rsa.privateKey, "RS256"))).toBe("ok");
    expect(await verifyWith(both, signed(claims(), { header: { alg: "RS256" } }))).toBe("AUTH_FAILED");
  });

  test("refuses an ECDSA signature of zeros", async () => {
    const token = `${encode({ alg: "ES256" })}.${encode(claims())}.${encode(new Uint8Array(64))}`;
    expect(await verifyWith({ ...PUBLIC, publicKeyPem: pem(ec.publicKey) }, token)).toBe("AUTH_FAILED");
  });

  test("refuses a key that the token brings, although it is signed by it", async () => {
    const jwk = await exportJWK(otherRsa.publicKey);
    expect(await verifyWith(PUBLIC, await signedBy(otherRsa.privateKey, "RS256", { jwk }))).toBe("AUTH_FAILED");
    expect(await verifyWith(PUBLIC, await signedBy(rsa.privateKey, "RS256", { jwk }))).toBe("AUTH_FAILED");
  });
});

describe("Keys that cannot be used stop the start", () => {
  const rows: readonly (readonly [string, Partial<AuthOptions>, string])[] = [
    ["none at all", { secret: null }, "JWT_SECRET"],
    ["a short secret", { secret: "x7#kQ2!vLp9@" }, "JWT_SECRET"],
    ["a secret shorter than the hash", { secret: SECRET.slice(0, 40), algorithms: ["HS512"] }, "JWT_SECRET"],
    [
      "a public key that is none",
      { ...PUBLIC, publicKeyPem: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----" },
      "JWT_PUBLIC_KEY",
    ],
    ["RSA under 2,048 bits", { ...PUBLIC, publicKeyPem: pem(weakRsa.publicKey) }, "2048"],
    ["a private key", { ...PUBLIC, publicKeyPem: rsa.privateKey.export({ type: "pkcs8", format: "pem" }) }, "private"],
    ["an algorithm that is unknown", { algorithms: ["HS256", "none"] }, "JWT_ALGORITHMS"],
    ["HS256 with a public key", { ...PUBLIC, algorithms: ["HS256"] }, "JWT_ALGORITHMS"],
    ["ES256 with an RSA key", { ...PUBLIC, algorithms: ["ES256"] }, "JWT_ALGORITHMS"],
    ["RS256 with a secret", { algorithms: ["RS256"] }, "JWT_ALGORITHMS"],
    ["an algorithm beyond those of the key", { ...PUBLIC, algorithms: ["RS256", "ES256"] }, "JWT_ALGORITHMS"],
    ["a secret that no algorithm uses", { ...PUBLIC, secret: SECRET, algorithms: ["RS256"] }, "JWT_ALGORITHMS"],
    ["a public key and a JWKS", { ...PUBLIC, jwksUrl: "https://issuer.example/jwks" }, "JWKS_URL"],
    ["a JWKS without TLS", { secret: null, jwksUrl: "http://issuer.example/jwks" }, "JWKS_URL"],
    [
      "a JWKS on a host that looks like this one",
      { secret: null, jwksUrl: "http://127.0.0.1.evil.example/" },
      "JWKS_URL",
    ],
    ["a JWKS in a file", { secret: null, jwksUrl: "file:///etc/jwks.json" }, "JWKS_URL"],
    ["a JWKS that is no URL", { secret: null, jwksUrl: "issuer" }, "JWKS_URL"],
  ];
  for (const [title, options, setting] of rows) {
    test(title, () => {
      expect(() => authenticatorWith(options)).toThrow(setting);
      try {
        authenticatorWith(options);
      } catch (error) {
        if (options.secret) expect(String(error)).not.toContain(options.secret);
      }
    });
  }
});

describe("A remote key set", () => {
  const servers: Bun.Server<undefined>[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop(true);
  });

  /** A server that counts; `answer` may be changed. */
  function issuer(answer: () => Response | Promise<Response>) {
    const state = { hits: 0, answer, url: "" };
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        state.hits += 1;
        return state.answer();
      },
    });
    servers.push(server);
    state.url = `http://127.0.0.1:${server.port}/jwks`;
    return state;
  }

  async function jwk(key: KeyObject, members: JWK = {}): Promise<JWK> {
    return { ...(await exportJWK(key)), ...members };
  }

  const serving =
    (...keys: readonly object[]) =>
    () =>
      Response.json({ keys });
  const remote = (url: string): Partial<AuthOptions> => ({ secret: null, jwksUrl: url });

  test("verifies by key id, and is fetched once", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "a" }), await jwk(ec.publicKey, { kid: "b" })));
    const auth = authenticatorWith(remote(keys.url));
    expect(auth.keysReady).toBe(false);
    expect(await outcome(async () => auth.verify(await signedBy(rsa.privateKey, "RS256", { kid: "a" }), null))).toBe(
      "ok",
    );
    expect(await outcome(async () => auth.verify(await signedBy(ec.privateKey, "ES256", { kid: "b" }), null))).toBe(
      "ok",
    );
    expect(await outcome(async () => auth.verify(await signedBy(ec.privateKey, "ES256", { kid: "a" }), null))).toBe(
      "AUTH_FAILED",
    );
    expect(await outcome(async () => auth.verify(signed(claims(), { header: { alg: "HS256", kid: "a" } }), null))).toBe(
      "AUTH_FAILED",
    );
    expect(auth.keysReady).toBe(true);
    expect(keys.hits).toBe(1);
  });

  test("needs no key id when one key fits", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey), await jwk(ec.publicKey)));
    expect(await verifyWith(remote(keys.url), await signedBy(rsa.privateKey, "RS256"))).toBe("ok");
  });

  test("binds a key without alg to the configured algorithms", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "a" })));
    const options = { ...remote(keys.url), algorithms: ["RS256"] };
    expect(await verifyWith(options, await signedBy(rsa.privateKey, "RS256", { kid: "a" }))).toBe("ok");
    expect(await verifyWith(options, await signedBy(rsa.privateKey, "PS512", { kid: "a" }))).toBe("AUTH_FAILED");
    expect(await verifyWith(options, signed(claims(), { header: { alg: "HS256", kid: "a" } }))).toBe("AUTH_FAILED");
  });

  test("never verifies with a key that is meant for something else or is broken", async () => {
    const good = await jwk(rsa.publicKey, { kid: "a" });
    const onCurve = await jwk(ec.publicKey, { kid: "a" });
    const sets: readonly (readonly [string, KeyObject, readonly JWK[]])[] = [
      ["RS256", rsa.privateKey, [{ ...good, use: "enc" }]],
      ["RS256", rsa.privateKey, [{ ...good, key_ops: ["encrypt"] }]],
      ["RS256", rsa.privateKey, [{ ...good, alg: "PS256" }]],
      ["RS256", rsa.privateKey, [good, await jwk(otherRsa.publicKey, { kid: "a" })]],
      ["RS256", rsa.privateKey, [await jwk(otherRsa.publicKey, { kid: "a" })]],
      ["RS256", rsa.privateKey, [{ kty: "oct", k: encode("k".repeat(32)), kid: "a" }]],
      ["RS256", rsa.privateKey, [await jwk(rsa.privateKey, { kid: "a" })]],
      ["RS256", rsa.privateKey, [{ ...good, n: "AA" }]],
      ["RS256", rsa.privateKey, []],
      ["ES256", ec.privateKey, [{ ...onCurve, y: onCurve.x ?? "" }]],
      ["ES256", ec.privateKey, [{ ...onCurve, crv: "P-384" }]],
    ];
    for (const [alg, privateKey, keys] of sets) {
      const { url } = issuer(serving(...keys));
      expect(await verifyWith(remote(url), await signedBy(privateKey, alg, { kid: "a" }))).toBe("AUTH_FAILED");
    }
  });

  test("never verifies with a weak RSA key", async () => {
    const input = `${encode({ alg: "RS256", kid: "a" })}.${encode(claims())}`;
    const token = `${input}.${sign("sha256", Buffer.from(input), weakRsa.privateKey).toString("base64url")}`;
    const { url } = issuer(serving(await jwk(weakRsa.publicKey, { kid: "a" })));
    expect(await verifyWith(remote(url), token)).toBe("AUTH_FAILED");
  });

  test("takes an RSA key with the exponent 1 for none: anyone could sign for it", async () => {
    const { n = "" } = await exportJWK(rsa.publicKey);
    const { url } = issuer(serving({ kty: "RSA", n, e: "AQ", kid: "a" }));
    const hash = new Bun.CryptoHasher("sha256")
      .update(`${encode({ alg: "RS256", kid: "a" })}.${encode(claims())}`)
      .digest();
    const prefix = Buffer.from("3031300d060960864801650304020105000420", "hex");
    const padding = Buffer.alloc(256 - 3 - prefix.length - hash.length, 0xff);
    const block = Buffer.concat([Buffer.from([0, 1]), padding, Buffer.from([0]), prefix, hash]);
    const token = `${encode({ alg: "RS256", kid: "a" })}.${encode(claims())}.${block.toString("base64url")}`;
    expect(await verifyWith(remote(url), token)).toBe("AUTH_FAILED");
  });

  test("is asked at most twice by a flood of unknown key ids, and known ones go on", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "a" })));
    const auth = authenticatorWith(remote(keys.url));
    const header = (kid: string) => encode({ alg: "RS256", kid });
    const flood = Array.from({ length: 1_000 }, (_, i) => `${header(`k${i}`)}.${encode(claims())}.AAAA`);
    const outcomes = await Promise.all(flood.map((token) => outcome(() => auth.verify(token, null))));
    expect(new Set(outcomes)).toEqual(new Set(["AUTH_FAILED"]));
    expect(keys.hits).toBeLessThanOrEqual(2);
    expect(await outcome(async () => auth.verify(await signedBy(rsa.privateKey, "RS256", { kid: "a" }), null))).toBe(
      "ok",
    );
  });

  test("an evil key id is refused before any look-up", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "a" })));
    const payload = encode(claims());
    for (const kid of ["k".repeat(129), "k".repeat(5_000), "\n", 1, null, ["a"], ""]) {
      expect(await verifyWith(remote(keys.url), `${encode({ alg: "RS256", kid })}.${payload}.AAAA`)).toBe(
        "AUTH_FAILED",
      );
    }
    expect(keys.hits).toBe(0);
    for (const kid of ["__proto__", "constructor", "toString", "../../../dev/null", "' OR 1=1--"]) {
      expect(await verifyWith(remote(keys.url), await signedBy(rsa.privateKey, "RS256", { kid }))).toBe("AUTH_FAILED");
    }
  });

  test("no token makes the node ask another address", async () => {
    const canary = issuer(serving(await jwk(otherRsa.publicKey, { kid: "x" })));
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "a" })));
    for (const header of [{ jku: canary.url }, { x5u: canary.url }, { jku: canary.url, kid: "x" }]) {
      expect(await verifyWith(remote(keys.url), await signedBy(otherRsa.privateKey, "RS256", header))).toBe(
        "AUTH_FAILED",
      );
    }
    const redirected = await signedBy(otherRsa.privateKey, "RS256", { kid: "x" }, { iss: canary.url });
    expect(await verifyWith(remote(keys.url), redirected)).toBe("AUTH_FAILED");
    expect(canary.hits).toBe(0);
  });

  test("an answer that is no key set is UNAVAILABLE, is not asked for again at once, and is no failed authentication", async () => {
    const canary = issuer(serving(await jwk(rsa.publicKey, { kid: "a" })));
    const huge = "x".repeat(300_000);
    const answers: readonly (() => Response)[] = [
      () => new Response(null, { status: 302, headers: { location: canary.url } }),
      () => new Response("no", { status: 500 }),
      () => new Response("{", { status: 200 }),
      () => Response.json({ keys: "none" }),
      () => Response.json({ keys: [1] }),
      () => Response.json({ keys: [], filler: huge }),
    ];
    for (const answer of answers) {
      const keys = issuer(answer);
      const clock = new FakeClock();
      const auth = authenticatorWith({ ...remote(keys.url), authFailuresPerMinute: 1 }, clock);
      const token = await signedBy(rsa.privateKey, "RS256", { kid: "a" });
      for (let i = 0; i < 3; i++) expect(await outcome(() => auth.verify(token, "192.0.2.1"))).toBe("UNAVAILABLE");
      expect(keys.hits).toBe(1);
      expect(auth.keysReady).toBe(false);

      keys.answer = canary.answer;
      clock.advance(5_000);
      expect(await outcome(() => auth.verify(token, "192.0.2.1"))).toBe("ok");
    }
    expect(canary.hits).toBe(0);
  });

  test("a body without an end is given up at the bound, one that drips at the timeout", async () => {
    const flood = issuer(
      () =>
        new Response(
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
          }),
        ),
    );
    const drip = issuer(
      () =>
        new Response(
          new ReadableStream({
            start: (controller) => controller.enqueue(new TextEncoder().encode('{"keys":[')),
          }),
        ),
    );
    for (const { url } of [flood, drip]) {
      const keys = new RemoteKeys(url, new FakeClock(), () => {}, 100);
      const error = await keys.find("RS256", "a").catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(KeysUnavailable);
    }
  });

  test("keys that were there go on while the issuer is away", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "a" })));
    const clock = new FakeClock();
    const auth = authenticatorWith(remote(keys.url), clock);
    const token = (sub: string) => signedBy(rsa.privateKey, "RS256", { kid: "a" }, { sub, exp: 4_000_000_000 });
    expect(await outcome(async () => auth.verify(await token("alice"), null))).toBe("ok");
    keys.answer = () => new Response("no", { status: 500 });
    auth.sweep();
    await until(() => keys.hits === 2);
    expect(await outcome(async () => auth.verify(await token("bob"), null))).toBe("ok");
    expect(auth.keysReady).toBe(true);
  });

  test("a key that was taken away stops, and the new one is known, within five minutes", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "old" })));
    const clock = new FakeClock();
    const auth = authenticatorWith(remote(keys.url), clock);
    const old = await signedBy(rsa.privateKey, "RS256", { kid: "old" }, { exp: 4_000_000_000 });
    const fresh = await signedBy(otherRsa.privateKey, "RS256", { kid: "new" }, { exp: 4_000_000_000 });
    auth.sweep();
    await until(() => auth.keysReady);
    expect(await outcome(() => auth.verify(old, null))).toBe("ok");
    expect(auth.verify(old, null)).not.toBeInstanceOf(Promise);

    keys.answer = serving(await jwk(rsa.publicKey, { kid: "old" }), await jwk(otherRsa.publicKey, { kid: "new" }));
    clock.advance(299_000);
    auth.sweep();
    expect(keys.hits).toBe(1);
    clock.advance(1_000);
    auth.sweep();
    await until(async () => (await outcome(() => auth.verify(fresh, null))) === "ok");
    expect(await outcome(() => auth.verify(old, null))).toBe("ok");

    keys.answer = serving(await jwk(otherRsa.publicKey, { kid: "new" }));
    clock.advance(300_000);
    auth.sweep();
    await until(async () => (await outcome(() => auth.verify(old, null))) === "AUTH_FAILED");
    expect(await outcome(() => auth.verify(fresh, null))).toBe("ok");
    expect(keys.hits).toBe(3);
  });

  test("a token is not kept for more than five minutes on the word of a key", async () => {
    const keys = issuer(serving(await jwk(rsa.publicKey, { kid: "a" })));
    const clock = new FakeClock();
    const auth = authenticatorWith(remote(keys.url), clock);
    const token = await signedBy(rsa.privateKey, "RS256", { kid: "a" }, { exp: 4_000_000_000 });
    expect(await outcome(() => auth.verify(token, null))).toBe("ok");
    clock.advance(299_999);
    expect(auth.verify(token, null)).not.toBeInstanceOf(Promise);
    clock.advance(1);
    const again = auth.verify(token, null);
    expect(again).toBeInstanceOf(Promise);
    expect((await again).id).toBe("alice");
  });
});
