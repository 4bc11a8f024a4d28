import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createHmac } from "node:crypto";
import { Hmac } from "../../src/auth/hmac.ts";
import { isBase64url, parseToken } from "../../src/auth/jwt.ts";
import { authenticatorWith, claims, encode, outcome, SECRET, signed } from "./tokens.ts";

const GOOD = signed(claims());
const [HEADER = "", PAYLOAD = "", SIGNATURE = ""] = GOOD.split(".");

/** Signs the parts as they stand, so that nothing but their encoding can be wrong. */
function signedParts(header: string, payload: string): string {
  return `${header}.${payload}.${createHmac("sha256", SECRET).update(`${header}.${payload}`).digest("base64url")}`;
}

/** The same bytes in another spelling: the last character has bits that no byte uses. */
function withTrailingBits(part: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(part.slice(-1));
  return part.slice(0, -1) + alphabet.charAt(last | 1);
}

function verify(token: string) {
  return outcome(() => authenticatorWith().verify(token, null));
}

describe("base64url", () => {
  test("every encoding of bytes is taken", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
        expect(isBase64url(Buffer.from(bytes).toString("base64url"))).toBe(true);
      }),
    );
  });

  test("whatever is taken is the one spelling of its bytes", () => {
    const nearly = fc.string({
      unit: fc.constantFrom("A", "Q", "g", "w", "B", "-", "_", "9", "+", "/", "=", " ", "\n", "."),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string({ maxLength: 12 })), (text) => {
        const isCanonical = /^[\w-]+$/.test(text) && Buffer.from(text, "base64url").toString("base64url") === text;
        expect(isBase64url(text)).toBe(isCanonical);
      }),
      { numRuns: 500 },
    );
  });
});

describe("The signature of RFC 7515 appendix A.1", () => {
  const token =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

  test("verifies with its key and with no other", () => {
    const parsed = parseToken(token);
    if (parsed === null) throw new Error("the token of the RFC did not parse");
    const { signingInput, signature } = parsed;
    expect(new Hmac("sha256", Buffer.from(key, "base64url")).isValid(signingInput, signature)).toBe(true);
    expect(new Hmac("sha256", Buffer.from(SECRET)).isValid(signingInput, signature)).toBe(false);
    expect(new Hmac("sha512", Buffer.from(key, "base64url")).isValid(signingInput, signature)).toBe(false);
  });
});

describe("A token that no algorithm protects", () => {
  for (const alg of ["none", "None", "NONE", "nOnE"]) {
    const unsigned = `${encode({ alg, typ: "JWT" })}.${encode(claims())}`;
    for (const token of [unsigned, `${unsigned}.`, `${unsigned}.AAAA`, signed(claims(), { header: { alg } })]) {
      test(`${alg} with the ending ${JSON.stringify(token.slice(unsigned.length, unsigned.length + 5))} is refused`, async () => {
        expect(await verify(token)).toBe("AUTH_FAILED");
      });
    }
  }
});

const LONG_NAME = "x".repeat(5_800);

describe("A header that asks for more than a signature", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["an unknown algorithm", { alg: "HS1" }],
    ["an algorithm in another case", { alg: "hs256" }],
    ["an algorithm that no secret is meant for", { alg: "RS256" }],
    ["an algorithm of the family that is not configured", { alg: "HS512" }],
    ["an algorithm of the prototype", { alg: "constructor" }],
    ["no algorithm", { typ: "JWT" }],
    ["an algorithm that is no text", { alg: ["HS256"] }],
    ["an extension", { alg: "HS256", crit: ["exp2"] }],
    ["an empty list of extensions", { alg: "HS256", crit: [] }],
    ["an unencoded payload", { alg: "HS256", crit: ["b64"], b64: false }],
    ["an unencoded payload without crit", { alg: "HS256", b64: false }],
    ["compression", { alg: "HS256", zip: "DEF" }],
    ["a key of its own", { alg: "HS256", jwk: { kty: "oct", k: encode("key") } }],
    ["a certificate of its own", { alg: "HS256", x5c: ["AAAA"] }],
    ["a key id that is a number", { alg: "HS256", kid: 1 }],
    ["a key id that is null", { alg: "HS256", kid: null }],
    ["a key id that is a list", { alg: "HS256", kid: ["a"] }],
    ["an empty key id", { alg: "HS256", kid: "" }],
    ["a key id with a line break", { alg: "HS256", kid: "\n" }],
    ["a key id over 128 characters", { alg: "HS256", kid: "k".repeat(129) }],
    ["a list", ["HS256"]],
    ["null", null],
    ["text", '"HS256"'],
    ["no JSON", "{alg:HS256}"],
    ["invalid UTF-8", Uint8Array.from([0x7b, 0xff, 0x7d])],
    ["a byte order mark", `\ufeff${JSON.stringify({ alg: "HS256" })}`],
    ["nothing", ""],
  ];
  for (const [title, header] of rows) {
    test(`${title} is refused although it is signed with the secret`, async () => {
      expect(await verify(signed(claims(), { header }))).toBe("AUTH_FAILED");
    });
  }

  for (const kid of ["../../../dev/null", "' OR 1=1--", "__proto__", "constructor", "toString"]) {
    test(`the key id ${kid} leads to no key but the configured one`, async () => {
      expect(await verify(signed(claims(), { header: { alg: "HS256", kid }, secret: "" }))).toBe("AUTH_FAILED");
      expect(await verify(signed(claims(), { header: { alg: "HS256", kid } }))).toBe("ok");
    });
  }
});

describe("A token in another shape", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["empty", ""],
    ["no parts", "garbage"],
    ["two parts", `${HEADER}.${PAYLOAD}`],
    ["an empty signature", `${HEADER}.${PAYLOAD}.`],
    ["an empty payload", signedParts(HEADER, "")],
    ["four parts", `${GOOD}.AAAA`],
    ["a trailing dot", `${GOOD}.`],
    ["a leading dot", `.${GOOD}`],
    ["five parts", `${HEADER}.${PAYLOAD}.${SIGNATURE}.AAAA.AAAA`],
    [
      "an encrypted token with a costly key",
      `${encode({ alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2c: 1e9 })}.AA.AA.AA.AA`,
    ],
    ["a leading space", ` ${GOOD}`],
    ["a trailing space", `${GOOD} `],
    ["a trailing line break", `${GOOD}\n`],
    ["padding", `${GOOD}=`],
    ["a line break inside", signedParts(HEADER, `${PAYLOAD.slice(0, 8)}\n${PAYLOAD.slice(8)}`)],
    ["padding in a signed part", signedParts(HEADER, `${PAYLOAD}=`)],
    ["the other alphabet", `${HEADER}.${PAYLOAD}.${SIGNATURE.slice(0, -2)}+/`],
    ["JSON serialisation", JSON.stringify({ protected: HEADER, payload: PAYLOAD, signature: SIGNATURE })],
    ["trailing bits in the signature", `${HEADER}.${PAYLOAD}.${withTrailingBits(SIGNATURE)}`],
    ["trailing bits in a signed part", signedParts(HEADER, withTrailingBits(encode(claims({ x: "" }))))],
    ["a shortened signature", `${HEADER}.${PAYLOAD}.${SIGNATURE.slice(0, 8)}`],
    ["over 8 KiB", signed(claims({ long: "x".repeat(6_200) }))],
    ["over 8 KiB of garbage", "a".repeat(100_000)],
    ["characters beyond ASCII", `${GOOD}\u0141`],
  ];
  for (const [title, token] of rows) {
    test(`${title} is refused`, async () => {
      expect(token).not.toBe(GOOD);
      expect(await verify(token)).toBe("AUTH_FAILED");
    });
  }

  test("just under 8 KiB is let in", async () => {
    const token = signed(claims({ long: LONG_NAME }));
    expect(token.length).toBeGreaterThan(7_500);
    expect(await verify(token)).toBe("ok");
  });
});

describe("A payload that is no set of claims", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["a list", []],
    ["text", '"x"'],
    ["null", null],
    ["no JSON", "sub=alice"],
    ["invalid UTF-8", Uint8Array.from([0xff, 0xfe])],
    ["a byte order mark", `\ufeff${JSON.stringify(claims())}`],
    ["2,500 nested lists", "[".repeat(2_500) + "]".repeat(2_500)],
  ];
  for (const [title, payload] of rows) {
    test(`${title} is refused`, async () => expect(await verify(signed(payload))).toBe("AUTH_FAILED"));
  }

  test("of a name that stands twice the last one counts", async () => {
    const good = JSON.stringify(claims()).slice(1, -1);
    const principal = await authenticatorWith().verify(signed(`{${good},"sub":"bob"}`), null);
    expect(principal.id).toBe("bob");
  });
});
