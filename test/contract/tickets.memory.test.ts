import { expect, test } from "bun:test";
import { MemoryTickets } from "../../src/broker/memory-tickets.ts";
import { FakeClock } from "../support/clock.ts";
import { principal } from "../support/principal.ts";
import { ticketStoreContract } from "./tickets.ts";

ticketStoreContract({
  name: "memory",
  async start(bounds) {
    const clock = new FakeClock();
    const store = new MemoryTickets(clock, bounds);
    return {
      store,
      async pass(ms) {
        clock.advance(ms);
        store.sweep();
      },
    };
  },
});

test("the memory ticket store holds nothing any more when every ticket has ended", () => {
  const clock = new FakeClock();
  const store = new MemoryTickets(clock);
  for (let n = 0; n < 1_000; n += 1) store.add(`d${n}`, principal({ id: `u${n % 90}` }), 30_000 - (n % 7) * 1_000);
  expect(store.held).toBe(1_000);
  clock.advance(30_000);
  store.sweep();
  expect(store.held).toBe(0);
});
