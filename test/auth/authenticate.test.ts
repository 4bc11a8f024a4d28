import { describe, expect, test } from "bun:test";
import type { Tickets } from "../../src/auth/authenticate.ts";
import type { CredentialKind } from "../../src/auth/sources.ts";
import { ERRORS, ProtocolError } from "../../src/protocol/codes.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import { FakeClock } from "../support/clock.ts";
import { authenticatorWith, claims, encode, NOW_S, outcome, signed } from "./tokens.ts";

const ADDRESS = "192.0.2.1";
const GOOD = signed(claims());

function bad(n: number): string {
  return signed(claims({ n }), { secret: "another" });
}

function caught(run: () => unknown): ProtocolError {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new Error("expected a ProtocolError");
}

describe("A good token", () => {
  test("is let in without waiting, from every source that carries tokens", () => {
    for (const kind of ["header", "subprotocol", "query", "cookie"] satisfies CredentialKind[]) {
      const principal = authenticatorWith().authenticate({ kind, token: GOOD }, ADDRESS);
      expect(principal).not.toBeInstanceOf(Promise);
      expect(principal).toMatchObject({ id: "alice" });
    }
  });

  test("gives all its connections the same principal", () => {
    const auth = authenticatorWith();
    expect(auth.verify(GOOD, ADDRESS)).toBe(auth.verify(GOOD, null));
  });

  test("is verified anew when the cache is too small for it", async () => {
    const auth = authenticatorWith({ verifiedCacheSize: 1 });
    const first = auth.verify(GOOD, null);
    await auth.verify(signed(claims({ sub: "bob" })), null);
    expect(auth.verify(GOOD, null)).not.toBe(first);
    expect(auth.verify(GOOD, null)).toEqual(first);
  });

  test("is not remembered past its exp, not even while the tolerance lets it in", async () => {
    const clock = new FakeClock();
    const auth = authenticatorWith({}, clock);
    const token = signed(claims({ exp: NOW_S + 60 }));
    const first = auth.verify(token, null);
    clock.advance(59_999);
    expect(auth.verify(token, null)).toBe(first);
    clock.advance(1);
    expect(auth.verify(token, null)).not.toBe(first);
    clock.advance(5_000);
    expect(await outcome(() => auth.verify(token, null))).toBe("TOKEN_EXPIRED");
  });

  test("expires by the wall clock when that jumps", async () => {
    const clock = new FakeClock();
    const auth = authenticatorWith({}, clock);
    expect(await outcome(() => auth.verify(GOOD, null))).toBe("ok");
    clock.jumpWallClock(3_600_000);
    expect(await outcome(() => auth.verify(GOOD, null))).toBe("TOKEN_EXPIRED");
  });

  test("verifies with local keys from the start", () => {
    expect(authenticatorWith().keysReady).toBe(true);
  });
});

describe("A refusal", () => {
  const kinds: readonly (readonly [string, string])[] = [
    ["garbage", "garbage"],
    ["a wrong signature", bad(1)],
    ["an unknown algorithm", signed(claims(), { header: { alg: "XX" } })],
    ["a missing claim", signed(claims({ sub: undefined }))],
  ];
  test("tells no cause from another and holds nothing of the token", () => {
    for (const [, token] of kinds) {
      const error = caught(() => authenticatorWith().verify(token, null));
      expect({ code: error.code, text: error.message, details: error.details }).toEqual({
        code: "AUTH_FAILED",
        text: ERRORS.AUTH_FAILED.text,
        details: {},
      });
      expect(error.cause).toBeUndefined();
    }
  });

  test("never answers with what a token brought", () => {
    const auth = authenticatorWith();
    for (const [, token] of kinds) {
      const error = caught(() => auth.verify(token, ADDRESS));
      for (const part of token.split(".")) expect(String(error.stack)).not.toContain(part);
    }
  });
});

describe("Failed authentications", () => {
  test("over the limit refuse even a good token, until the first of them is a minute old", async () => {
    const clock = new FakeClock();
    const auth = authenticatorWith({}, clock);
    for (let n = 0; n < 20; n++) {
      expect(await outcome(() => auth.verify(bad(n), ADDRESS))).toBe("AUTH_FAILED");
      clock.advance(1_000);
    }
    const error = caught(() => auth.verify(GOOD, ADDRESS));
    expect(error.code).toBe("RATE_LIMITED");
    expect(error.details.retryAfterMs).toBe(40_000);
    clock.advance(39_999);
    expect(await outcome(() => auth.verify(GOOD, ADDRESS))).toBe("RATE_LIMITED");
    clock.advance(1);
    expect(await outcome(() => auth.verify(GOOD, ADDRESS))).toBe("ok");
  });

  test("do not keep out a token that was verified before, nor another address, nor an unlimited one", async () => {
    const auth = authenticatorWith({ authFailuresPerMinute: 1 });
    const seen = signed(claims({ sub: "bob" }));
    await auth.verify(seen, "192.0.2.9");
    expect(await outcome(() => auth.verify(bad(1), ADDRESS))).toBe("AUTH_FAILED");
    expect(await outcome(() => auth.verify(GOOD, ADDRESS))).toBe("RATE_LIMITED");
    expect(await outcome(() => auth.verify(seen, ADDRESS))).toBe("ok");
    expect(await outcome(() => auth.verify(GOOD, "192.0.2.2"))).toBe("ok");
    for (let n = 0; n < 30; n++) expect(await outcome(() => auth.verify(bad(n), null))).toBe("AUTH_FAILED");
  });

  test("count the same token once a minute", async () => {
    const clock = new FakeClock();
    const auth = authenticatorWith({ authFailuresPerMinute: 2 }, clock);
    for (let n = 0; n < 50; n++) expect(await outcome(() => auth.verify(bad(1), ADDRESS))).toBe("AUTH_FAILED");
    expect(await outcome(() => auth.verify(GOOD, ADDRESS))).toBe("ok");
  });

  test("are not: a genuine token that is expired, not for us, incomplete, or of an inactive user", async () => {
    const auth = authenticatorWith({ authFailuresPerMinute: 1, audience: "ours" });
    const genuine = [
      signed(claims({ aud: "ours", exp: 1 })),
      signed(claims({ aud: "theirs" })),
      signed(claims({ aud: "ours", sub: undefined })),
      signed(claims({ aud: "ours", isActive: false })),
      signed([]),
    ];
    const codes = [];
    for (const token of genuine) codes.push(await outcome(() => auth.verify(token, ADDRESS)));
    expect(codes).toEqual(["TOKEN_EXPIRED", "AUTH_FAILED", "AUTH_FAILED", "FORBIDDEN", "AUTH_FAILED"]);
    expect(await outcome(() => auth.verify(signed(claims({ aud: "ours" })), ADDRESS))).toBe("ok");
  });

  test("are: garbage, tokens that are too long, algorithms that are not accepted", async () => {
    for (const token of ["garbage", "", "a".repeat(9_000), signed(claims(), { header: { alg: "none" } })]) {
      const auth = authenticatorWith({ authFailuresPerMinute: 1 });
      expect(await outcome(() => auth.verify(token, ADDRESS))).toBe("AUTH_FAILED");
      expect(await outcome(() => auth.verify(GOOD, ADDRESS))).toBe("RATE_LIMITED");
    }
  });

  test("in the name of a user change nothing for that user", async () => {
    const auth = authenticatorWith();
    for (let n = 0; n < 100; n++) await outcome(() => auth.verify(bad(n), "203.0.113.9"));
    expect(await outcome(() => auth.verify(GOOD, ADDRESS))).toBe("ok");
  });
});

describe("A ticket", () => {
  const principal: Principal = {
    id: "alice",
    wireId: "alice",
    username: "alice",
    name: "alice",
    roles: ["user"],
    permissions: [],
    topics: null,
    follows: [],
    expiresAtMs: null,
    issuedAtMs: null,
    jti: null,
    sid: null,
  };
  const ticket = (token: string) => ({ kind: "ticket", token }) as const;

  function once(wait: boolean): Tickets {
    const open = new Map([["t1", principal]]);
    return {
      redeem(name) {
        const found = open.get(name) ?? null;
        open.delete(name);
        return wait ? Promise.resolve(found) : found;
      },
      sweep() {},
    };
  }

  for (const wait of [false, true]) {
    test(`lets in once when its store ${wait ? "makes wait" : "answers at once"}`, async () => {
      const auth = authenticatorWith({ tickets: once(wait) });
      expect(auth.authenticate(ticket("t1"), ADDRESS) instanceof Promise).toBe(wait);
      expect(await outcome(() => auth.authenticate(ticket("t1"), ADDRESS))).toBe("AUTH_FAILED");
    });

    test(`that is unknown counts as a failed authentication when its store ${wait ? "makes wait" : "answers at once"}`, async () => {
      const auth = authenticatorWith({ tickets: once(wait), authFailuresPerMinute: 1 });
      expect(await outcome(() => auth.authenticate(ticket("t2"), ADDRESS))).toBe("AUTH_FAILED");
      expect(await outcome(() => auth.authenticate(ticket("t1"), ADDRESS))).toBe("RATE_LIMITED");
      expect(await outcome(() => auth.authenticate(ticket("t1"), "192.0.2.2"))).toBe("ok");
    });
  }

  test("is unknown where there is no store, and a token is no ticket", async () => {
    const auth = authenticatorWith({ authFailuresPerMinute: 1 });
    expect(await outcome(() => auth.authenticate(ticket(GOOD), ADDRESS))).toBe("AUTH_FAILED");
    expect(await outcome(() => auth.authenticate(ticket("t1"), ADDRESS))).toBe("RATE_LIMITED");
  });

  test("whose store is away is not refused as unknown", async () => {
    const away: Tickets = { redeem: () => Promise.reject(new ProtocolError("UNAVAILABLE")), sweep() {} };
    const auth = authenticatorWith({ tickets: away, authFailuresPerMinute: 1 });
    for (const name of ["t1", "t2"]) {
      expect(await outcome(() => auth.authenticate(ticket(name), ADDRESS))).toBe("UNAVAILABLE");
    }
  });
});

test("A token of five parts with a costly key is refused like any garbage", async () => {
  const header = encode({ alg: "PBES2-HS512+A256KW", enc: "A256GCM", p2c: 1_000_000_000, p2s: encode("salt") });
  expect(await outcome(() => authenticatorWith().verify(`${header}.AAAA.AAAA.AAAA.AAAA`, null))).toBe("AUTH_FAILED");
});
