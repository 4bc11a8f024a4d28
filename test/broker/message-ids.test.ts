import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MESSAGE_ID_BOUNDS, MESSAGE_ID_TTL_MS, MessageIds } from "../../src/broker/message-ids.ts";
import { payloadHash } from "../../src/broker/payload-hash.ts";

const used = (offset: number) => ({ offset, epoch: "e", low: 0, high: 0 });

describe("Message ids", () => {
  test("never exceed their bound of ids, and the newest are the ones that stay", () => {
    const ids = new MessageIds({ maxIds: 100, maxBytes: 1_000_000 });
    for (let n = 0; n < 1_000; n += 1) {
      ids.add(`k${n}`, used(n), n);
      expect(ids.size).toBeLessThanOrEqual(100);
    }
    expect(ids.dropped).toBe(900);
    expect([ids.get("k899"), ids.get("k900")?.offset]).toEqual([undefined, 900]);
  });

  test("never exceed their bound of bytes, however long the keys are", () => {
    const ids = new MessageIds({ maxIds: 1_000_000, maxBytes: 50_000 });
    for (let n = 0; n < 1_000; n += 1) {
      ids.add(`k${n}-${"x".repeat(n % 300)}`, used(n), n);
      expect(ids.bytes).toBeLessThanOrEqual(50_000);
    }
    expect(ids.dropped).toBe(1_000 - ids.size);
    expect(ids.size).toBeGreaterThan(100);
  });

  test("count two bytes for every character of a key with one outside Latin-1, and give them back", () => {
    const bytesOfOne = (key: string): number => {
      const ids = new MessageIds({ maxIds: 1, maxBytes: 1_000_000 });
      ids.add("another", used(1), 0);
      ids.add(key, used(2), 0);
      return ids.bytes;
    };
    expect(bytesOfOne(`${"k".repeat(299)}漢`) - bytesOfOne("k".repeat(300))).toBe(300);
    expect(bytesOfOne(`${"k".repeat(299)}é`)).toBe(bytesOfOne("k".repeat(300)));
  });

  test("that are used again, because their topic has ended meanwhile, count once", () => {
    const ids = new MessageIds({ maxIds: 2, maxBytes: 1_000_000 });
    for (let offset = 1; offset <= 5; offset += 1) ids.add("k", used(offset), 0);
    expect([ids.size, ids.dropped, ids.get("k")?.offset]).toEqual([1, 0, 5]);
    ids.sweep(1_000_000);
    expect([ids.size, ids.bytes]).toEqual([0, 0]);
  });

  test("are found for five minutes over every cut between slices, and then give all their memory back", () => {
    const ids = new MessageIds(MESSAGE_ID_BOUNDS);
    for (let second = 0; second < 1_000; second += 1) {
      const nowMs = second * 1_000;
      ids.sweep(nowMs);
      ids.add(`k${second}`, used(second), nowMs);
      const oldest = second - MESSAGE_ID_TTL_MS / 1_000;
      if (oldest >= 0) expect(ids.get(`k${oldest}`)?.offset).toBe(oldest);
    }
    expect(ids.size).toBeLessThanOrEqual(421);
    ids.sweep(2_000_000);
    expect([ids.size, ids.bytes, ids.dropped]).toEqual([0, 0, 0]);
  });

  test("hold 120,000 of a usual length within the bound of the node, and at most 200,000 of any", () => {
    const usual = new MessageIds(MESSAGE_ID_BOUNDS);
    for (let n = 0; n < 120_000; n += 1) usual.add(`room:general\nu${n % 1_000}\nm${n}`, used(n), n);
    expect([usual.size, usual.dropped]).toEqual([120_000, 0]);
    const many = new MessageIds({ ...MESSAGE_ID_BOUNDS, maxBytes: Number.POSITIVE_INFINITY });
    for (let n = 0; n < 200_001; n += 1) many.add(`k${n}`, used(n), n);
    expect([many.size, many.dropped]).toEqual([200_000, 1]);
  });
});

function hashOf(text: string): string {
  const { low, high } = payloadHash(text);
  return `${low} ${high}`;
}

describe("The hash of a payload", () => {
  test("is the same for the same text, and another for every other one", () => {
    const hashes = new Map<string, string>();
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const hash = hashOf(text);
        expect(hashOf(text)).toBe(hash);
        expect(hashes.get(hash) ?? text).toBe(text);
        hashes.set(hash, text);
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });

  test("changes with every single character of 100,000 texts that differ in little", () => {
    const hashes = new Set<string>();
    for (let n = 0; n < 100_000; n += 1) hashes.add(hashOf(`message ${n}`));
    expect(hashes.size).toBe(100_000);
  });

  test("is 64 bits wide", () => {
    let [low, high] = [0, 0];
    for (let n = 0; n < 1_000; n += 1) {
      const hash = payloadHash(String(n));
      low |= hash.low;
      high |= hash.high;
    }
    expect([low, high]).toEqual([-1, -1]);
  });
});
