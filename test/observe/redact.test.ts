import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { loggable } from "../../src/observe/fields.ts";
import { bounded, escapeLine } from "../../src/observe/line.ts";
import { REDACTED, isSecretName, pathOnly, scrub, scrubTokens } from "../../src/observe/redact.ts";

const JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJDQU5BUlkifQ.Q0FOQVJZLXNpZ25hdHVyZS1DQU5BUlk";

describe("one line", () => {
  test("holds no character that a terminal or a line reader acts on, and means the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = escapeLine(JSON.stringify({ text }));
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ text })));
      }),
    );
  });

  test.each(["\u0000", "\n", "\r", "\u001b[31m", "\u007f", "\u0085", "\u009b31m", "\u2028", "\u2029", "\u202e"])(
    "escapes %j",
    (text) => {
      expect(escapeLine(JSON.stringify(text))).toMatch(/^[ -~]*$/);
    },
  );

  test("cuts a field to its bound, says how much is gone, and never cuts inside a character", () => {
    expect(bounded("x".repeat(1024))).toBe("x".repeat(1024));
    expect(bounded("x".repeat(1025))).toBe(`${"x".repeat(1024)}…[+1]`);
    expect(bounded("ab😀", 3)).toBe("ab…[+2]");
  });
});

describe("free text", () => {
  test.each([
    ["a JWT", `bad token ${JWT} here`],
    ["a JWT whose end was cut", `bad token ${JWT.slice(0, 60)}`],
    ["three base64url parts of another kind", `Q0FOQVJZQ0FOQVJZ.Q0FOQVJZQ0FOQVJZ.Q0FOQVJZQ0FOQVJZ`],
    ["a query", "cannot open http://host/ws?token=CANARY&x=CANARY"],
    ["the password of a URL", "connect redis://user:CANARY@host:6379/0 failed"],
    ["a password with every special character", "redis://:CA/NA?R#Y@CANARY@host:6379"],
    ["an Authorization header", "Authorization: Bearer CANARY"],
    ["an Authorization header as JSON", '{"authorization":"Basic CANARY"}'],
    ["a cookie with several values", "cookie: a=CANARY; b=CANARY"],
    ["a bearer token without its header", "sent bearer CANARY"],
    ["assigned secrets", "password=CANARY ticket: CANARY secret='CANARY' api_key=CANARY access_token=CANARY"],
  ])("keeps %s out", (_, text) => {
    const safe = scrub(text);
    expect(safe).toContain(REDACTED);
    expect(safe).not.toMatch(/CANARY|Q0FOQVJZ|eyJ/);
  });

  test("leaves ordinary text as it is", () => {
    const text =
      "connect ECONNREFUSED 127.0.0.1:6379 in src/broker/redis.ts, room:general-chat, user-42, http://127.0.0.1:8080/ws";
    expect(scrub(text)).toBe(text);
  });

  test("keeps tokens out of a finished line without breaking it", () => {
    const line = JSON.stringify({ path: `/ws/${JWT}`, userAgent: `curl "${JWT}"` });
    expect(JSON.parse(scrubTokens(line))).toEqual({ path: `/ws/${REDACTED}`, userAgent: `curl "${REDACTED}"` });
  });

  test.each(["/ws?token=CANARY", "/ws%3Ftoken=CANARY", "/ws%3ftoken=CANARY", "/ws#CANARY", "/ws%23CANARY"])(
    "takes only the path of %s",
    (target) => {
      expect(pathOnly(target)).toBe("/ws");
    },
  );
});

describe("a field", () => {
  test.each([
    ...["token", "accessToken", "JWT_SECRET", "password", "Authorization", "Cookie", "set-cookie", "ticket", "apiKey"],
    ...["Sec-WebSocket-Protocol", "query", "METRICS_TOKEN", "API_KEY", "tokens", "privateKey"],
  ])("named %s is secret", (name) => {
    expect(isSecretName(name)).toBe(true);
    expect(loggable({ deep: { [name]: "CANARY" } })).toEqual({ deep: { [name]: REDACTED } });
  });

  test.each(["userId", "path", "tokenSource", "code", "protocol", "durationMs"])("named %s is not", (name) => {
    expect(isSecretName(name)).toBe(false);
  });

  test("keeps its place in the line: names the line owns are moved aside", () => {
    expect(loggable({ time: 1, level: "x", inner: { time: 2 } })).toEqual({
      _time: 1,
      _level: "x",
      inner: { time: 2 },
    });
  });

  test("is bounded in depth, in number and in size", () => {
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, ["y".repeat(5000)]]));
    let deep: Record<string, unknown> = { end: "CANARY" };
    for (let i = 0; i < 100; i += 1) deep = { deep };
    const text = JSON.stringify(loggable({ wide, deep, list: Array.from({ length: 1000 }, () => wide) }));
    expect(text.length).toBeLessThan(80_000);
    expect(text).not.toContain("CANARY");
  });

  test("of a foreign class is not opened", () => {
    class Held {
      value = "CANARY";
    }
    const fields = { held: new Held(), map: new Map([["a", "CANARY"]]), bytes: new TextEncoder().encode("CANARY") };
    expect(loggable(fields)).toEqual({ held: "[object]", map: "[object]", bytes: "[object]" });
  });
});
