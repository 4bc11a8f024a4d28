import { describe, expect, test } from "bun:test";
import type { Authenticator } from "../../src/auth/authenticate.ts";
import { refusing } from "../../src/auth/refusing.ts";
import { isRevoked } from "../../src/auth/revocations.ts";
import { OneTimeTickets } from "../../src/auth/tickets.ts";
import type { Revocation } from "../../src/broker/broker.ts";
import { MemoryRevocations } from "../../src/broker/memory-revocations.ts";
import { MemoryTickets } from "../../src/broker/memory-tickets.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import { FakeClock } from "../support/clock.ts";
import { principal } from "../support/principal.ts";
import { authenticatorWith, claims, NOW_S, outcome, signed } from "./tokens.ts";

const AT_MS = NOW_S * 1_000;
const clock = new FakeClock();

function revoked(...revocations: readonly Partial<Revocation>[]): MemoryRevocations {
  const store = new MemoryRevocations(clock);
  for (const fields of revocations) {
    store.add({ kind: "sub", value: "ada", issuedBeforeMs: null, untilMs: clock.now() + 60_000, ...fields });
  }
  return store;
}

const holder = (fields: Partial<Principal> = {}) => principal({ id: "ada", jti: "j1", sid: "s1", ...fields });

describe("a token", () => {
  test.each<[string, Partial<Revocation>, boolean]>([
    ["by its id", { kind: "jti", value: "j1" }, true],
    ["by its session", { kind: "sid", value: "s1" }, true],
    ["by its user", { kind: "sub", value: "ada" }, true],
    ["by another id", { kind: "jti", value: "j2" }, false],
    ["by another session", { kind: "sid", value: "s2" }, false],
    ["by another user", { kind: "sub", value: "bob" }, false],
    ["by a session of its id's name", { kind: "sid", value: "j1" }, false],
    ["by an id of its user's name", { kind: "jti", value: "ada" }, false],
  ])("is revoked %s or not", (_how, revocation, expected) => {
    expect(isRevoked(holder(), revoked(revocation))).toBe(expected);
    expect(isRevoked(holder(), revoked())).toBe(false);
  });

  test.each([
    ["a second before", AT_MS - 1_000, true],
    ["in the same second", AT_MS, true],
    ["in the same second, by a clock with fractions", AT_MS + 900, true],
    ["a second after", AT_MS + 1_000, false],
    ["at no known time", null, true],
  ])("that was issued %s counts as issued before, or not", (_when, issuedAtMs, expected) => {
    expect(isRevoked(holder({ issuedAtMs }), revoked({ issuedBeforeMs: AT_MS + 400 }))).toBe(expected);
  });

  test("without an id and a session is revoked by its user alone", () => {
    const store = revoked({ kind: "jti", value: "null" }, { kind: "sid", value: "null" });
    expect(isRevoked(holder({ jti: null, sid: null }), store)).toBe(false);
  });
});

describe("an authenticator that knows of revocations", () => {
  const address = "192.0.2.1";

  function withRevocations(fields: Partial<{ clock: FakeClock; authFailuresPerMinute: number }> = {}): {
    readonly auth: Authenticator;
    readonly store: MemoryRevocations;
    readonly tickets: OneTimeTickets;
  } {
    const { clock: own = new FakeClock(), ...options } = fields;
    const store = new MemoryRevocations(own);
    const tickets = new OneTimeTickets(new MemoryTickets(own), own);
    const auth = refusing(authenticatorWith({ tickets, ...options }, own), (who) => isRevoked(who, store));
    return { auth, store, tickets };
  }

  const END = { untilMs: AT_MS + 600_000, issuedBeforeMs: null } as const;

  test("refuses a token that it verified a moment ago and still remembers", async () => {
    const { auth, store } = withRevocations();
    const token = signed(claims({ jti: "j1" }));
    expect(await outcome(() => auth.verify(token, address))).toBe("ok");
    store.add({ kind: "jti", value: "j1", ...END });
    expect(await outcome(() => auth.verify(token, address))).toBe("AUTH_FAILED");
    expect(await outcome(() => auth.authenticate({ kind: "header", token }, address))).toBe("AUTH_FAILED");
    expect(await outcome(() => auth.verify(signed(claims({ jti: "j2" })), address))).toBe("ok");
  });

  test("refuses the ticket of a user that was revoked after it was given out", async () => {
    const { auth, store, tickets } = withRevocations();
    const { ticket } = await tickets.issue(await auth.verify(signed(claims()), address));
    store.add({ kind: "sub", value: "alice", ...END });
    expect(await outcome(() => auth.authenticate({ kind: "ticket", token: ticket }, address))).toBe("AUTH_FAILED");
  });

  test("counts no failed authentication of the address for a token or a ticket that was revoked", async () => {
    const { auth, store, tickets } = withRevocations({ authFailuresPerMinute: 1 });
    const { ticket } = await tickets.issue(await auth.verify(signed(claims()), address));
    store.add({ kind: "sub", value: "alice", ...END });
    for (const iat of [NOW_S - 3, NOW_S - 2, NOW_S - 1]) {
      expect(await outcome(() => auth.verify(signed(claims({ iat })), address))).toBe("AUTH_FAILED");
    }
    await outcome(() => auth.authenticate({ kind: "ticket", token: ticket }, address));
    expect(await outcome(() => auth.verify(signed(claims({ sub: "bob" })), address))).toBe("ok");
  });

  test("refuses a token that was revoked while its signature was checked", async () => {
    const { auth, store } = withRevocations();
    const slow = { ...auth, verify: async (token: string) => auth.verify(token, null) } satisfies Authenticator;
    const checked = refusing(slow, (who) => isRevoked(who, store)).verify(signed(claims()), null);
    store.add({ kind: "sub", value: "alice", ...END });
    expect(await outcome(() => checked)).toBe("AUTH_FAILED");
  });
});
