import { describe, expect, test } from "bun:test";
import { errors, jwtVerify } from "jose";
import type { AuthOptions } from "../../src/auth/authenticate.ts";
import { authenticatorWith, claims, encode, NOW_S, outcome, SECRET, signed } from "./tokens.ts";

/** The synchronous path against jose: for the same token and the same rules both let it in, or both refuse it. */

const GOOD = signed(claims());
const RULED: Partial<AuthOptions> = { issuer: "https://issuer.example", audience: "ours", typ: "at+jwt" };
const RULED_HEADER = { header: { alg: "HS256", typ: "at+jwt" } };
const RULED_CLAIMS = { iss: "https://issuer.example", aud: "ours" };

interface Row {
  readonly title: string;
  readonly token: string;
  readonly options?: Partial<AuthOptions>;
}

const header = (changes: object): string => signed(claims(), { header: { alg: "HS256", ...changes } });
const ruled = (changes: object, headerChanges: object = {}): Row["token"] =>
  signed(claims({ ...RULED_CLAIMS, ...changes }), { header: { ...RULED_HEADER.header, ...headerChanges } });

const ROWS: readonly Row[] = [
  { title: "good", token: GOOD },
  { title: "without iat", token: signed(claims({ iat: undefined })) },
  { title: "expired", token: signed(claims({ exp: NOW_S - 60 })) },
  { title: "at the end of the tolerance", token: signed(claims({ exp: NOW_S - 5 })) },
  { title: "just within the tolerance", token: signed(claims({ exp: NOW_S - 4 })) },
  { title: "not yet valid", token: signed(claims({ nbf: NOW_S + 6 })) },
  { title: "valid within the tolerance", token: signed(claims({ nbf: NOW_S + 5 })) },
  { title: "exp missing", token: signed(claims({ exp: undefined })) },
  { title: "exp text", token: signed(claims({ exp: String(NOW_S + 60) })) },
  { title: "nbf text", token: signed(claims({ nbf: "0" })) },
  { title: "iat text", token: signed(claims({ iat: "0" })) },
  { title: "sub missing", token: signed(claims({ sub: undefined })) },
  { title: "unsigned", token: `${encode({ alg: "none" })}.${encode(claims())}.` },
  { title: "signed with another secret", token: signed(claims(), { secret: `${SECRET}x` }) },
  { title: "signed with another hash", token: signed(claims(), { hash: "sha512" }) },
  { title: "of another algorithm", token: signed(claims(), { header: { alg: "HS512" }, hash: "sha512" }) },
  {
    title: "of another algorithm that is configured",
    token: signed(claims(), { header: { alg: "HS512" }, hash: "sha512" }),
    options: { algorithms: ["HS256", "HS384", "HS512"], secret: SECRET },
  },
  {
    title: "of the middle algorithm",
    token: signed(claims(), { header: { alg: "HS384" }, hash: "sha384" }),
    options: { algorithms: ["HS256", "HS384", "HS512"], secret: SECRET },
  },
  { title: "with an unknown critical header", token: header({ crit: ["exp2"], exp2: 1 }) },
  { title: "with an empty crit", token: header({ crit: [] }) },
  { title: "with b64 false and crit", token: header({ crit: ["b64"], b64: false }) },
  { title: "with a key id", token: header({ kid: "a" }) },
  { title: "a list as payload", token: signed([]) },
  { title: "null as payload", token: signed(null) },
  { title: "text as payload", token: signed("sub") },
  { title: "a list as header", token: signed(claims(), { header: [] }) },
  { title: "four parts", token: `${GOOD}.x` },
  { title: "two parts", token: GOOD.slice(0, GOOD.lastIndexOf(".")) },
  { title: "empty", token: "" },
  { title: "a changed signature", token: `${GOOD.slice(0, -4)}AAAA` },
  { title: "a shorter signature", token: GOOD.slice(0, -4) },
  { title: "issuer, audience and type right", token: ruled({}), options: RULED },
  { title: "audience in a list", token: ruled({ aud: ["other", "ours"] }), options: RULED },
  { title: "audience wrong", token: ruled({ aud: "other" }), options: RULED },
  { title: "audience an empty list", token: ruled({ aud: [] }), options: RULED },
  { title: "audience an object", token: ruled({ aud: { ours: true } }), options: RULED },
  { title: "audience missing", token: ruled({ aud: undefined }), options: RULED },
  { title: "issuer wrong", token: ruled({ iss: "https://issuer.example/" }), options: RULED },
  { title: "issuer a list", token: ruled({ iss: ["https://issuer.example"] }), options: RULED },
  { title: "issuer missing", token: ruled({ iss: undefined }), options: RULED },
  { title: "type wrong", token: ruled({}, { typ: "JWT" }), options: RULED },
  { title: "type with application/", token: ruled({}, { typ: "application/at+jwt" }), options: RULED },
  { title: "type in another case", token: ruled({}, { typ: "AT+JWT" }), options: RULED },
  { title: "type missing", token: ruled({}, { typ: undefined }), options: RULED },
];

async function outcomeOfJose(token: string, options: Partial<AuthOptions>): Promise<string> {
  try {
    await jwtVerify(token, new TextEncoder().encode(SECRET), {
      algorithms: [...(options.algorithms ?? ["HS256"])],
      requiredClaims: ["exp", "sub"],
      clockTolerance: 5,
      currentDate: new Date(NOW_S * 1000),
      ...(options.issuer ? { issuer: options.issuer } : {}),
      ...(options.audience ? { audience: options.audience } : {}),
      ...(options.typ ? { typ: options.typ } : {}),
    });
    return "ok";
  } catch (error) {
    return error instanceof errors.JWTExpired ? "TOKEN_EXPIRED" : "AUTH_FAILED";
  }
}

describe("The synchronous path and jose agree on a token that is", () => {
  for (const { title, token, options = {} } of ROWS) {
    test(title, async () => {
      const ours = await outcome(() => authenticatorWith(options).verify(token, null));
      expect(ours).toBe((await outcomeOfJose(token, options)) as typeof ours);
    });
  }

  test("and the table has both kinds", async () => {
    const outcomes = await Promise.all(ROWS.map(({ token, options = {} }) => outcomeOfJose(token, options)));
    expect(new Set(outcomes)).toEqual(new Set(["ok", "TOKEN_EXPIRED", "AUTH_FAILED"]));
  });
});

/** Where we are stricter than the library on purpose: what it lets in, we refuse. */
describe("The synchronous path is stricter than jose with", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["a user id that cannot be a topic's", signed(claims({ sub: "al ice" }))],
    ["iat in the future", signed(claims({ iat: NOW_S + 60 }))],
    ["a key that the token brings", signed(claims(), { header: { alg: "HS256", jwk: { kty: "oct" } } })],
    ["a key id that is no text", signed(claims(), { header: { alg: "HS256", kid: 1 } })],
    ["33 roles", signed(claims({ roles: Array.from({ length: 33 }, String) }))],
  ];
  for (const [title, token] of rows) {
    test(title, async () => {
      expect(await outcomeOfJose(token, {})).toBe("ok");
      expect(await outcome(() => authenticatorWith().verify(token, null))).toBe("AUTH_FAILED");
    });
  }
});
