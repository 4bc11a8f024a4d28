import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cleanName } from "../../src/auth/claims.ts";
import type { AuthOptions } from "../../src/auth/authenticate.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import { authenticatorWith, claims, NOW_S, outcome, signed } from "./tokens.ts";

type Changes = Readonly<Record<string, unknown>>;

function principalFrom(changes: Changes, options: Partial<AuthOptions> = {}): Principal | Promise<Principal> {
  return authenticatorWith(options).verify(signed(claims(changes)), null);
}

interface Row {
  readonly title: string;
  readonly claims: Changes;
  readonly options?: Partial<AuthOptions>;
  readonly is: "ok" | "AUTH_FAILED" | "TOKEN_EXPIRED" | "FORBIDDEN";
}

const ISSUED_BY_US: Partial<AuthOptions> = { issuer: "https://good" };
const FOR_US: Partial<AuthOptions> = { audience: "ours" };
const AN_HOUR: Partial<AuthOptions> = { maxTokenLifetimeS: 3_600 };

const ROWS: readonly Row[] = [
  { title: "exp is missing", claims: { exp: undefined }, is: "AUTH_FAILED" },
  { title: "exp is null", claims: { exp: null }, is: "AUTH_FAILED" },
  { title: "exp is text", claims: { exp: "9999999999" }, is: "AUTH_FAILED" },
  { title: "exp has a fraction", claims: { exp: NOW_S + 0.5 }, is: "AUTH_FAILED" },
  { title: "exp is 2^53", claims: { exp: 2 ** 53 }, is: "AUTH_FAILED" },
  { title: "exp is the largest safe integer", claims: { exp: Number.MAX_SAFE_INTEGER }, is: "ok" },
  { title: "exp is negative", claims: { exp: -1 }, is: "TOKEN_EXPIRED" },
  { title: "exp is 0", claims: { exp: 0 }, is: "TOKEN_EXPIRED" },
  { title: "exp is years ago", claims: { exp: 1_500_000_000 }, is: "TOKEN_EXPIRED" },
  { title: "exp is within the tolerance", claims: { exp: NOW_S - 3 }, is: "ok" },
  { title: "exp is at the end of the tolerance", claims: { exp: NOW_S - 5 }, is: "TOKEN_EXPIRED" },
  { title: "exp is beyond the tolerance", claims: { exp: NOW_S - 7 }, is: "TOKEN_EXPIRED" },
  { title: "nbf is within the tolerance", claims: { nbf: NOW_S + 5 }, is: "ok" },
  { title: "nbf is beyond the tolerance", claims: { nbf: NOW_S + 7 }, is: "AUTH_FAILED" },
  { title: "nbf is text", claims: { nbf: "1" }, is: "AUTH_FAILED" },
  { title: "iat is within the tolerance", claims: { iat: NOW_S + 5 }, is: "ok" },
  { title: "iat is an hour ahead", claims: { iat: NOW_S + 3_600 }, is: "AUTH_FAILED" },
  { title: "iat has a fraction", claims: { iat: NOW_S - 0.25 }, is: "ok" },
  { title: "iat is missing", claims: { iat: undefined }, is: "ok" },
  { title: "iat is null", claims: { iat: null }, is: "AUTH_FAILED" },
  { title: "exp and aud are wrong", claims: { exp: NOW_S - 60, aud: "other" }, options: FOR_US, is: "AUTH_FAILED" },
  { title: "exp is past and nbf ahead", claims: { exp: NOW_S - 60, nbf: NOW_S + 60 }, is: "AUTH_FAILED" },

  { title: "the lifetime is the longest", claims: { exp: NOW_S + 3_600 }, options: AN_HOUR, is: "ok" },
  { title: "the lifetime is too long", claims: { exp: NOW_S + 3_601 }, options: AN_HOUR, is: "AUTH_FAILED" },
  {
    title: "the lifetime was too long and most of it is over",
    claims: { iat: NOW_S - 7_200, exp: NOW_S + 60 },
    options: AN_HOUR,
    is: "AUTH_FAILED",
  },
  {
    title: "without iat too much is left",
    claims: { iat: undefined, exp: NOW_S + 3_601 },
    options: AN_HOUR,
    is: "AUTH_FAILED",
  },

  { title: "the issuer is ours", claims: { iss: "https://good" }, options: ISSUED_BY_US, is: "ok" },
  { title: "the issuer is missing", claims: {}, options: ISSUED_BY_US, is: "AUTH_FAILED" },
  {
    title: "the issuer is one of a list",
    claims: { iss: ["https://good", "evil"] },
    options: ISSUED_BY_US,
    is: "AUTH_FAILED",
  },
  { title: "the issuer has a slash more", claims: { iss: "https://good/" }, options: ISSUED_BY_US, is: "AUTH_FAILED" },
  { title: "the issuer is not asked for", claims: { iss: "https://any" }, is: "ok" },

  { title: "the audience is ours", claims: { aud: "ours" }, options: FOR_US, is: "ok" },
  { title: "the audience holds ours", claims: { aud: ["ours", "other"] }, options: FOR_US, is: "ok" },
  { title: "the audience is missing", claims: {}, options: FOR_US, is: "AUTH_FAILED" },
  { title: "the audience is joined text", claims: { aud: "ours,other" }, options: FOR_US, is: "AUTH_FAILED" },
  { title: "the audience is an object", claims: { aud: {} }, options: FOR_US, is: "AUTH_FAILED" },
  { title: "the audience is an empty list", claims: { aud: [] }, options: FOR_US, is: "AUTH_FAILED" },
  { title: "the audience is nested", claims: { aud: [["ours"]] }, options: FOR_US, is: "AUTH_FAILED" },

  { title: "sub is missing", claims: { sub: undefined }, is: "AUTH_FAILED" },
  { title: "sub is empty", claims: { sub: "" }, is: "AUTH_FAILED" },
  { title: "sub is null", claims: { sub: null }, is: "AUTH_FAILED" },
  { title: "sub is an object", claims: { sub: { $gt: "" } }, is: "AUTH_FAILED" },
  { title: "sub is a list", claims: { sub: ["alice"] }, is: "AUTH_FAILED" },
  { title: "sub is a fraction", claims: { sub: 1.5 }, is: "AUTH_FAILED" },
  { title: "sub is 2^53", claims: { sub: 2 ** 53 }, is: "AUTH_FAILED" },
  { title: "sub has a space", claims: { sub: "al ice" }, is: "AUTH_FAILED" },
  { title: "sub has a line break", claims: { sub: "alice\n" }, is: "AUTH_FAILED" },
  { title: "sub is not ASCII", claims: { sub: "\u0430lice" }, is: "AUTH_FAILED" },
  { title: "sub is 128 characters", claims: { sub: "a".repeat(128) }, is: "ok" },
  { title: "sub is 129 characters", claims: { sub: "a".repeat(129) }, is: "AUTH_FAILED" },
  { title: "sub is __proto__", claims: { sub: "__proto__" }, is: "ok" },

  { title: "roles is text", claims: { roles: "admin" }, is: "AUTH_FAILED" },
  { title: "roles is an object", claims: { roles: { admin: true } }, is: "AUTH_FAILED" },
  { title: "roles holds a number", claims: { roles: [1] }, is: "AUTH_FAILED" },
  { title: "roles has 32 entries", claims: { roles: Array.from({ length: 32 }, (_, i) => `r${i}`) }, is: "ok" },
  {
    title: "roles has 33 entries",
    claims: { roles: Array.from({ length: 33 }, (_, i) => `r${i}`) },
    is: "AUTH_FAILED",
  },
  { title: "role is no well-formed text", claims: { role: "a\ud800" }, is: "AUTH_FAILED" },
  { title: "a permission is no well-formed text", claims: { permissions: ["\udc00"] }, is: "AUTH_FAILED" },
  { title: "role is a list", claims: { role: ["admin"] }, is: "AUTH_FAILED" },
  { title: "permissions is text", claims: { permissions: "system.monitor" }, is: "AUTH_FAILED" },
  { title: "topics is a list", claims: { topics: ["room:a"] }, is: "AUTH_FAILED" },
  { title: "topics is an empty list", claims: { topics: [] }, is: "AUTH_FAILED" },
  { title: "topics grants an unknown action", claims: { topics: { "room:a": ["own"] } }, is: "AUTH_FAILED" },
  { title: "topics grants with a text", claims: { topics: { "room:a": "read" } }, is: "AUTH_FAILED" },
  { title: "follows has 100 ids", claims: { follows: Array.from({ length: 100 }, (_, i) => i) }, is: "ok" },
  { title: "follows has 101 ids", claims: { follows: Array.from({ length: 101 }, (_, i) => i) }, is: "AUTH_FAILED" },
  { title: "follows holds a bad id", claims: { follows: ["a b"] }, is: "AUTH_FAILED" },
  { title: "username is a number", claims: { username: 1 }, is: "AUTH_FAILED" },
  { title: "jti is a number", claims: { jti: 1 }, is: "AUTH_FAILED" },
  { title: "sid is empty", claims: { sid: "" }, is: "AUTH_FAILED" },
  { title: "isActive is true", claims: { isActive: true }, is: "ok" },
  { title: "isActive is false", claims: { isActive: false }, is: "FORBIDDEN" },
  { title: "isActive is text", claims: { isActive: "false" }, is: "AUTH_FAILED" },
  { title: "isActive is false and exp past", claims: { isActive: false, exp: 0 }, is: "TOKEN_EXPIRED" },
];

describe("A token whose signature is good is judged by its claims", () => {
  for (const { title, claims: changes, options = {}, is } of ROWS) {
    test(`${title}: ${is}`, async () => expect(await outcome(() => principalFrom(changes, options))).toBe(is));
  }

  test("the configured user id claim replaces sub", async () => {
    const options = { userIdClaim: "uid" };
    expect((await principalFrom({ uid: 7, sub: "alice" }, options)).id).toBe("7");
    expect(await outcome(() => principalFrom({}, options))).toBe("AUTH_FAILED");
    expect(await outcome(() => principalFrom({}, { userIdClaim: "constructor" }))).toBe("AUTH_FAILED");
  });

  test("an infinite exp is refused", async () => {
    expect(await outcome(() => authenticatorWith().verify(signed('{"sub":"alice","exp":1e400}'), null))).toBe(
      "AUTH_FAILED",
    );
  });

  test("the type is compared without case and without application/ and only when it is asked for", async () => {
    const rows = [
      ["at+jwt", "at+jwt", "ok"],
      ["AT+JWT", "at+jwt", "ok"],
      ["application/at+jwt", "at+jwt", "ok"],
      ["at+jwt", "application/at+JWT", "ok"],
      ["JWT", "at+jwt", "AUTH_FAILED"],
      ["refresh+jwt", "at+jwt", "AUTH_FAILED"],
      [undefined, "at+jwt", "AUTH_FAILED"],
      [["at+jwt"], "at+jwt", "AUTH_FAILED"],
      [7, null, "ok"],
    ] as const;
    for (const [has, wanted, is] of rows) {
      const token = signed(claims(), { header: { alg: "HS256", typ: has } });
      expect(await outcome(() => authenticatorWith({ typ: wanted }).verify(token, null))).toBe(is);
    }
  });
});

describe("The principal", () => {
  test("of the least token has the id as its names and the default role", async () => {
    expect(await principalFrom({ iat: undefined }, { defaultRole: "guest" })).toEqual({
      id: "alice",
      wireId: "alice",
      username: "alice",
      name: "alice",
      roles: ["guest"],
      permissions: [],
      topics: null,
      follows: [],
      expiresAtMs: (NOW_S + 600) * 1000,
      issuedAtMs: null,
      jti: null,
      sid: null,
    });
  });

  test("holds what the token grants", async () => {
    const principal = await principalFrom({
      sub: 123,
      username: "alice",
      name: "Alice A.",
      role: "editor",
      roles: ["viewer", "editor"],
      permissions: ["system.monitor"],
      topics: { "conversation:42": ["read", "write"], "wallet:*": ["read"] },
      follows: ["bob", 9],
      jti: "j1",
      sid: "s1",
    });
    expect(principal).toMatchObject({
      id: "123",
      wireId: 123,
      username: "alice",
      name: "Alice A.",
      jti: "j1",
      sid: "s1",
    });
    expect(principal.roles).toEqual(["viewer", "editor"]);
    expect(principal.permissions).toEqual(["system.monitor"]);
    expect(principal.topics?.get("conversation:42")).toEqual(["read", "write"]);
    expect(principal.topics?.get("wallet:*")).toEqual(["read"]);
    expect(principal.follows).toEqual(["bob", "9"]);
    expect(principal.issuedAtMs).toBe(NOW_S * 1000);
  });

  test("cannot be changed by one connection for the others", async () => {
    const principal = await principalFrom({ roles: ["user"] });
    for (const shared of [principal, principal.roles, principal.permissions, principal.follows]) {
      expect(Object.isFrozen(shared)).toBe(true);
    }
  });

  test("ends at an instant that a date can hold, however late exp is", async () => {
    const { expiresAtMs } = await principalFrom({ exp: Number.MAX_SAFE_INTEGER });
    expect(Number.isNaN(new Date(expiresAtMs ?? Number.NaN).getTime())).toBe(false);
  });

  test("takes its names from the first claim of which something is left", async () => {
    const names = async (changes: Changes) => {
      const { username, name } = await principalFrom(changes);
      return [username, name];
    };
    expect(await names({ preferred_username: "al", name: "Al" })).toEqual(["al", "Al"]);
    expect(await names({ name: "Al" })).toEqual(["Al", "Al"]);
    expect(await names({ username: "\u202e\u0000", preferred_username: "", name: "Al" })).toEqual(["Al", "Al"]);
    expect(await names({ sub: 5, username: "\n" })).toEqual(["5", "5"]);
    expect(await names({ username: "al", name: "\u0007" })).toEqual(["al", "al"]);
  });

  test("gets nothing from the names of the prototype", async () => {
    const payload = `{"sub":"alice","exp":${NOW_S + 60},"__proto__":{"roles":["admin"],"isAdmin":true}}`;
    const principal = await authenticatorWith().verify(signed(payload), null);
    expect(principal.roles).toEqual(["user"]);
    expect(Object.hasOwn(Object.prototype, "isAdmin")).toBe(false);
  });
});

describe("A name", () => {
  test("loses control and bidirectional characters and keeps zero-width ones", () => {
    expect(cleanName("a\u0000b\tc\nd\u007fe\u009ff\u2028g")).toBe("abcdefg");
    expect(cleanName("\u202eadmin\u202c \u2066x\u2069\u200e\u200f\u061c")).toBe("admin x");
    expect(cleanName("a\u200db\u200bc")).toBe("a\u200db\u200bc");
  });

  test("is cut at 128 and never inside a character", () => {
    expect(cleanName("x".repeat(200))).toHaveLength(128);
    expect(cleanName(`${"x".repeat(127)}\u{1f600}`)).toBe("x".repeat(127));
  });

  test("is always well formed and free of what would be removed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const name = cleanName(text);
        expect(name.isWellFormed() && name.length <= 128 && !/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.test(name)).toBe(
          true,
        );
        expect(cleanName(name)).toBe(name);
      }),
    );
  });
});
