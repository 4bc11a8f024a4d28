import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { OneTimeTickets } from "../../src/auth/tickets.ts";
import type { TicketStore } from "../../src/broker/broker.ts";
import { MemoryTickets } from "../../src/broker/memory-tickets.ts";
import { FakeClock } from "../support/clock.ts";
import { principal } from "../support/principal.ts";
import { outcome } from "./tokens.ts";

function ticketsOn(clock: FakeClock, store: TicketStore = new MemoryTickets(clock)): OneTimeTickets {
  return new OneTimeTickets(store, clock);
}

describe("a one-time ticket", () => {
  test("is 32 random bytes in base64url: of ten thousand no two are equal, or begin alike", async () => {
    const tickets = ticketsOn(new FakeClock());
    const issued: string[] = [];
    for (let n = 0; n < 10_000; n += 1) issued.push((await tickets.issue(principal({ id: `u${n}` }))).ticket);
    expect(issued.every((ticket) => /^[A-Za-z0-9_-]{43}$/.test(ticket))).toBe(true);
    expect(new Set(issued.map((ticket) => ticket.slice(0, 12))).size).toBe(10_000);
  });

  test("reaches its store as its SHA-256 and in no other form", async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    const memory = new MemoryTickets(clock);
    const store: TicketStore = {
      held: 0,
      add(digest, holder, lifeMs) {
        seen.push(digest, JSON.stringify(holder));
        memory.add(digest, holder, lifeMs);
      },
      take(digest) {
        seen.push(digest);
        return memory.take(digest);
      },
      sweep: () => memory.sweep(),
    };
    const tickets = ticketsOn(clock, store);
    const { ticket } = await tickets.issue(principal());
    const digest = createHash("sha256").update(ticket).digest("base64url");
    expect(await tickets.redeem(ticket)).not.toBeNull();
    expect([seen[0], seen[2]]).toEqual([digest, digest]);
    expect(seen.join()).not.toContain(ticket);
  });

  test("that does not look like one is unknown without a question to the store", async () => {
    const clock = new FakeClock();
    const store: TicketStore = {
      held: 0,
      add() {},
      take: () => {
        throw new Error("asked");
      },
      sweep() {},
    };
    const tickets = ticketsOn(clock, store);
    for (const text of ["", "abc", "a".repeat(42), "a".repeat(44), `${"a".repeat(42)}=`, "a".repeat(1_000_000)]) {
      expect(await tickets.redeem(text)).toBeNull();
    }
  });

  test("lives for 30 seconds", async () => {
    const clock = new FakeClock();
    const tickets = ticketsOn(clock);
    const first = await tickets.issue(principal());
    const second = await tickets.issue(principal());
    expect(first.lifeMs).toBe(30_000);
    clock.advance(29_999);
    expect(await tickets.redeem(first.ticket)).not.toBeNull();
    clock.advance(1);
    expect(await tickets.redeem(second.ticket)).toBeNull();
  });

  test("of a token that ends sooner ends with it, and a token that has ended gets none", async () => {
    const clock = new FakeClock();
    const tickets = ticketsOn(clock);
    const holder = principal({ expiresAtMs: clock.now() + 2_000 });
    const { ticket, lifeMs } = await tickets.issue(holder);
    expect(lifeMs).toBe(2_000);
    clock.advance(2_000);
    expect(await tickets.redeem(ticket)).toBeNull();
    expect(await outcome(() => tickets.issue(holder))).toBe("TOKEN_EXPIRED");
  });

  test("is given out by a store that waits as by one that does not", async () => {
    const clock = new FakeClock();
    const memory = new MemoryTickets(clock);
    const store: TicketStore = {
      held: 0,
      add: async (digest, holder, lifeMs) => memory.add(digest, holder, lifeMs),
      take: async (digest) => memory.take(digest),
      sweep: () => memory.sweep(),
    };
    const tickets = ticketsOn(clock, store);
    const { ticket } = await tickets.issue(principal({ id: "ada" }));
    expect(await tickets.redeem(ticket)).toMatchObject({ id: "ada" });
    expect(await tickets.redeem(ticket)).toBeNull();
  });
});
