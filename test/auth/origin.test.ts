import { describe, expect, test } from "bun:test";
import { createOriginPolicy } from "../../src/auth/origin.ts";
import { outcome } from "./tokens.ts";

const APP = "https://app.example";

/** A request with that `Origin`. */
function from(origin: string | null, headers: Readonly<Record<string, string>> = {}) {
  const all: Readonly<Record<string, string | null>> = { ...headers, origin };
  return { header: (name: string): string | null => all[name] ?? null };
}

const FOREIGN = [
  "https://evil.example",
  "https://app.example.evil.com",
  "https://evilapp.example",
  "http://app.example",
  "https://app.example:8443",
  "https://app.exampleevil.com",
  "https://app.example.",
];
const MALFORMED = [
  "null",
  "",
  "https://app.example@evil.com",
  "https://app.example/",
  "https://app.example/path",
  "https://app.example, https://app.example",
  "https://app.example https://app.example",
  "http://a:b",
  "http://[",
  "http://a:0",
  "http://a:65536",
  "http://a:080",
  "://",
  "%",
  "a".repeat(8_192),
  `https://${"a".repeat(8_192)}`,
  "https://app.example\u00ff",
  "file://",
  "chrome-extension://x",
  "constructor",
  "*",
];

describe("With an allow-list", () => {
  const policy = createOriginPolicy([APP, "http://localhost:3000"]);

  for (const origin of [...FOREIGN, ...MALFORMED]) {
    test(`${JSON.stringify(origin.slice(0, 60))} is forbidden with a cookie and with a token`, async () => {
      expect(await outcome(() => policy.check(from(origin), true, false))).toBe("ORIGIN_FORBIDDEN");
      expect(await outcome(() => policy.check(from(origin), false, false))).toBe("ORIGIN_FORBIDDEN");
    });
  }

  for (const origin of [APP, "https://APP.example", "HTTPS://app.example:443", "http://localhost:3000"]) {
    test(`${origin} is let in`, async () => {
      expect(await outcome(() => policy.check(from(origin), true, false))).toBe("ok");
      expect(await outcome(() => policy.check(from(origin), false, false))).toBe("ok");
    });
  }

  test("a cookie without an Origin is forbidden, a token without one is not", async () => {
    expect(await outcome(() => policy.check(from(null), true, false))).toBe("ORIGIN_FORBIDDEN");
    expect(await outcome(() => policy.check(from(null), false, false))).toBe("ok");
  });
});

describe("Without an allow-list", () => {
  const policy = createOriginPolicy([]);

  test("tokens are not asked for an Origin", async () => {
    for (const origin of [null, "null", "https://evil.example"]) {
      expect(await outcome(() => policy.check(from(origin), false, false))).toBe("ok");
    }
  });

  test("cookies are forbidden from everywhere but the node's own host", async () => {
    const host = "node.example:8080";
    expect(await outcome(() => policy.check(from("http://node.example:8080", { host }), true, false))).toBe("ok");
    for (const origin of [
      null,
      "null",
      APP,
      "http://node.example",
      "http://node.example:8081",
      "http://node.example:80",
    ]) {
      expect(await outcome(() => policy.check(from(origin, { host }), true, false))).toBe("ORIGIN_FORBIDDEN");
    }
  });
});

describe("The node's own host", () => {
  const policy = createOriginPolicy([]);
  const rows = [
    { host: "node.example", secure: true, origin: "https://node.example", is: "ok" },
    { host: "NODE.example:443", secure: true, origin: "https://node.example", is: "ok" },
    { host: "node.example:80", secure: false, origin: "http://node.example", is: "ok" },
    { host: "[::1]:8080", secure: false, origin: "http://[::1]:8080", is: "ok" },
    { host: "node.example", secure: false, origin: "https://node.example", is: "ORIGIN_FORBIDDEN" },
    { host: "node.example", secure: true, origin: "http://node.example", is: "ORIGIN_FORBIDDEN" },
    { host: "a@b", secure: false, origin: "http://a@b", is: "ORIGIN_FORBIDDEN" },
    { host: "", secure: false, origin: "http://", is: "ORIGIN_FORBIDDEN" },
    { host: "x:99999", secure: false, origin: "http://x:99999", is: "ORIGIN_FORBIDDEN" },
  ] as const;
  for (const { host, secure, origin, is } of rows) {
    test(`${host} ${secure ? "behind TLS" : "in plain"} and ${origin}: ${is}`, async () => {
      const forwarded = { host: "inside:1", "x-forwarded-host": host, "x-forwarded-proto": "https" };
      const request = from(origin, secure ? forwarded : { host });
      expect(await outcome(() => policy.check(request, true, secure))).toBe(is);
    });
  }
});

test("What is forwarded counts from a trusted proxy alone", async () => {
  const forwarded = { host: "node.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" };
  const request = from("https://evil.example", forwarded);
  const policy = createOriginPolicy([]);
  expect(await outcome(() => policy.check(request, true, false))).toBe("ORIGIN_FORBIDDEN");
  expect(await outcome(() => policy.check(request, true, true))).toBe("ok");
});

describe("A list that would let in more than it says", () => {
  for (const entry of [
    "*",
    "https://*",
    "https://*.example.com",
    "app.example",
    "https://app.example/",
    "null",
    "",
    "https://a b",
  ]) {
    test(`${JSON.stringify(entry)} stops the start`, () => {
      expect(() => createOriginPolicy([APP, entry])).toThrow("ALLOWED_ORIGINS");
    });
  }

  test("entries are kept in one spelling", () => {
    expect(createOriginPolicy(["HTTPS://App.Example:443", APP, "http://a:80", "http://a:81"]).allowed).toEqual([
      APP,
      "http://a",
      "http://a:81",
    ]);
  });
});
