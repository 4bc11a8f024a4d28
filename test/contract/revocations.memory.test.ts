import { expect, test } from "bun:test";
import { MemoryRevocations } from "../../src/broker/memory-revocations.ts";
import { FakeClock } from "../support/clock.ts";
import { revocationStoreContract } from "./revocations.ts";

revocationStoreContract({
  name: "memory",
  async start(maxRevocations) {
    const clock = new FakeClock();
    const store = new MemoryRevocations(clock, maxRevocations);
    return {
      store,
      now: () => clock.now(),
      async pass(ms) {
        clock.advance(ms);
        store.sweep();
      },
    };
  },
});

function filled(clock: FakeClock, count: number): MemoryRevocations {
  const store = new MemoryRevocations(clock, count);
  for (let n = 0; n < count; n += 1) {
    const kind = n % 2 === 0 ? "jti" : "sub";
    store.add({ kind, value: `v${n}`, issuedBeforeMs: null, untilMs: clock.now() + (n % 10 === 0 ? 9_000 : 1_000) });
  }
  return store;
}

test("a hundred thousand revocations are swept in parts, none of them too early, until all that ended are gone", () => {
  const clock = new FakeClock();
  const store = filled(clock, 100_000);
  clock.advance(1_000);
  let sweeps = 0;
  for (; store.size > 10_000; sweeps += 1) store.sweep();
  expect(sweeps).toBeGreaterThan(10);
  expect(sweeps).toBeLessThan(200);
  expect(store.find("jti", "v0")).not.toBeNull();
  clock.advance(8_000);
  while (store.size > 0) store.sweep();
  expect(store.find("jti", "v0")).toBeNull();
});

test("what ended and was not swept yet takes no place from what is added", () => {
  const clock = new FakeClock();
  const store = filled(clock, 10_000);
  clock.advance(1_000);
  store.sweep();
  for (let n = 0; n < 9_000; n += 1) {
    store.add({ kind: "sid", value: `s${n}`, issuedBeforeMs: null, untilMs: clock.now() + 1_000 });
  }
  expect(store.size).toBe(10_000);
});
