import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { KNOWN_SECRETS } from "../../src/auth/known-secrets.ts";
import { weakness } from "../../src/auth/secret.ts";

const PUBLISHED = [
  // RFC 7515 appendix A.1, RFC 7520 section 3.5
  "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
  "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
  // documentation and templates of frameworks
  "a-string-secret-at-least-256-bits-long",
  "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
  "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
  "super-secret-jwt-token-with-at-least-32-characters-long",
  "reallyreallyreallyreallyverysafe",
];

const PLACEHOLDERS = [
  "change-me-change-me-change-me-1234",
  "changeme-0123456789-0123456789-xyz",
  "CHANGE_THIS_BEFORE_YOU_GO_LIVE_42!",
  "your_jwt_secret_goes_here_and_is_32",
  "replace-me-with-something-random-pls",
  "my_super_secret_jwt_key_for_the_app",
  "secret-key-for-the-development-node",
  "<put-a-long-and-random-string-here>",
  "an-example-value-of-the-right-length",
];

const PREDICTABLE = [
  "a".repeat(32),
  "ab".repeat(20),
  "secret".repeat(6),
  "0123456789abcdef0123456789abcdef",
  "abcdefghijklmnopqrstuvwxyz0123456789",
  "zyxwvutsrqponmlkjihgfedcba9876543210",
  "1111111111111111111122222222223333333333",
];

describe("A secret is refused", () => {
  for (const secret of ["", "secret", "your-256-bit-secret", "k7Q!x9".repeat(5), "x7Kq9vTz2LpW8mRc4NbY6sHd1JfG3aE"]) {
    test(`of ${secret.length} bytes`, () => expect(weakness(secret, [])).toContain("32 bytes"));
  }

  test("that is shorter than the hash of an algorithm in use", () => {
    const secret = "x7Kq9vTz2LpW8mRc4NbY6sHd1JfG3aEu5ViP0oQt"; // 40 bytes
    expect(weakness(secret, ["HS256"])).toBeNull();
    expect(weakness(secret, ["HS256", "HS384"])).toContain("48 bytes");
    expect(weakness(secret, ["HS512"])).toContain("64 bytes");
    expect(weakness(secret, ["RS256"])).toBeNull();
  });

  for (const secret of PUBLISHED) {
    test(`that was published: ${secret.slice(0, 12)}…`, () => expect(weakness(secret, [])).toContain("published"));
  }
  for (const secret of PLACEHOLDERS) {
    test(`that is a placeholder: ${secret}`, () => expect(weakness(secret, [])).not.toBeNull());
  }
  for (const secret of PREDICTABLE) {
    test(`that is predictable: ${secret}`, () => expect(weakness(secret, [])).not.toBeNull());
  }

  test("with a reason that does not hold it", () => {
    for (const secret of ["secret", ...PUBLISHED, ...PLACEHOLDERS, ...PREDICTABLE]) {
      expect(weakness(secret, [])).not.toContain(secret);
    }
  });
});

describe("A secret is taken", () => {
  test("when it is random, in hexadecimal as in base64", () => {
    for (let n = 0; n < 300; n++) {
      const bytes = randomBytes(32);
      for (const encoding of ["hex", "base64", "base64url"] as const) {
        expect(weakness(bytes.toString(encoding), [])).toBeNull();
      }
    }
  });

  test("counted in bytes, not in characters", () => {
    expect(weakness("äöüßéèêçñøåæœłżźćńśąęğ", [])).toBeNull();
  });
});

test("The list holds hashes of one form and no secret", () => {
  expect(KNOWN_SECRETS.size).toBeGreaterThan(1_000);
  for (const known of KNOWN_SECRETS) expect(known).toMatch(/^[\w-]{11}$/);
});
