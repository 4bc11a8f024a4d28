import { describe, expect, test } from "bun:test";
import { principalFrom, userOf } from "../../src/auth/principal-input.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { principal } from "../support/principal.ts";

const NOW_MS = Date.UTC(2026, 0, 1);

function from(input: unknown): ReturnType<typeof principalFrom> {
  return principalFrom(input, "guest", NOW_MS);
}

describe("a user that an application describes", () => {
  test("needs an id alone, and has the defaults of a token without claims", () => {
    expect(from({ id: "u1" })).toEqual(principal({ id: "u1", username: "u1", name: "u1", roles: ["guest"] }));
  });

  test("keeps a number as its id on the wire, and is compared as text", () => {
    expect(from({ id: 42 })).toMatchObject({ id: "42", wireId: 42 });
  });

  test("has what was said about it", () => {
    const input = {
      id: "u1",
      username: "ada",
      name: "Ada",
      roles: ["user", "admin", "user"],
      permissions: ["wallet.read"],
      topics: { "conversation:7": ["read", "write"] },
      follows: [7, "u2"],
      expiresAt: NOW_MS + 1,
    };
    expect(from(input)).toMatchObject({
      username: "ada",
      name: "Ada",
      roles: ["user", "admin"],
      permissions: ["wallet.read"],
      topics: new Map([["conversation:7", ["read", "write"]]]),
      follows: ["7", "u2"],
      expiresAtMs: NOW_MS + 1,
    });
  });

  test("is shown without control and bidirectional characters, and is called by its name or id where it has no username", () => {
    expect(from({ id: "u1", name: "A\u202eda\u0000" })).toMatchObject({ username: "Ada", name: "Ada" });
    expect(from({ id: "u1", username: "\u0007" })).toMatchObject({ username: "u1", name: "u1" });
  });

  test("may say when it ends as a Date, and null for whatever it leaves open", () => {
    const nothing = { username: null, name: null, roles: null, permissions: null, topics: null, follows: null };
    expect(from({ id: "u1", ...nothing, expiresAt: new Date(NOW_MS + 5) }).expiresAtMs).toBe(NOW_MS + 5);
    expect(from({ id: "u1", ...nothing, expiresAt: null })).toEqual(from({ id: "u1" }));
  });

  test("that is over is TOKEN_EXPIRED", () => {
    expect(() => from({ id: "u1", expiresAt: NOW_MS })).toThrow(new ProtocolError("TOKEN_EXPIRED"));
  });

  test.each([
    ["id", {}],
    ["id", { id: "" }],
    ["id", { id: "a b" }],
    ["id", { id: 1.5 }],
    ["id", { id: 2 ** 53 }],
    ["id", { id: "x".repeat(129) }],
    ["username", { id: 1, username: 7 }],
    ["roles", { id: 1, roles: "admin" }],
    ["roles", { id: 1, roles: Array.from({ length: 33 }, String) }],
    ["permissions", { id: 1, permissions: [""] }],
    ["topics", { id: 1, topics: { "a:b": ["own"] } }],
    ["topics", { id: 1, topics: [] }],
    ["topics", { id: 1, topics: new Map() }],
    ["follows", { id: 1, follows: ["a b"] }],
    ["follows", { id: 1, follows: Array.from({ length: 101 }, String) }],
    ["expiresAt", { id: 1, expiresAt: NOW_MS / 1_000 }],
    ["expiresAt", { id: 1, expiresAt: Number.NaN }],
    ["expiresAt", { id: 1, expiresAt: new Date(Number.NaN) }],
    ["expiresAt", { id: 1, expiresAt: "tomorrow" }],
    ["object", "u1"],
    ["object", [1]],
  ])("with a wrong %s is a TypeError that names it and no value (%#)", (field, input) => {
    expect(() => from(input)).toThrow(TypeError);
    expect(() => from(input)).toThrow(field === "object" ? /object|`id`/ : `\`${field}\``);
  });
});

describe("a user as an application gets it", () => {
  test("can be given back and means the same", () => {
    const known = from({ id: 7, username: "ada", topics: { "conversation:7": ["read"] }, follows: ["u2"] });
    expect(from(userOf(known))).toEqual(known);
  });

  test("is the same frozen object for the same principal", () => {
    const known = principal();
    expect(userOf(known)).toBe(userOf(known));
    expect(Object.isFrozen(userOf(known))).toBe(true);
  });
});
