import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LineQueue } from "../../src/observe/line-queue.ts";

const CHUNK_BYTES = 64 * 1024;

/** Of one to three bytes a unit, with lone surrogates, from nothing to more than a chunk. */
const line = fc
  .tuple(fc.string({ unit: "binary", maxLength: 20 }), fc.constantFrom("x", "é", "€", "😀", "\uD800"), fc.nat(40_000))
  .map(([head, unit, count]) => `${head}${unit.repeat(count % 7 === 0 ? count : count % 300)}\n`);

/** A line to append, or how many bytes of what waits are written. */
const step = fc.oneof({ weight: 3, arbitrary: line }, fc.integer({ min: 1, max: 100_000 }));

describe("a queue of lines", () => {
  test("gives out every byte once and in order, however much is written at a time", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new LineQueue();
        const appended: string[] = [];
        const written: Buffer[] = [];
        const write = (most: number): boolean => {
          const next = queue.next();
          if (next === null) return false;
          const part = next.subarray(0, most);
          written.push(Buffer.from(part));
          queue.wrote(part.length);
          return true;
        };
        for (const each of steps) {
          if (typeof each === "number") write(each);
          else {
            queue.append(each);
            appended.push(each);
          }
          const out = written.reduce((sum, { length }) => sum + length, 0);
          expect(queue.bytes).toBe(Buffer.byteLength(appended.join("")) - out);
        }
        while (write(Number.POSITIVE_INFINITY));
        expect(Buffer.concat(written).equals(Buffer.from(appended.join("")))).toBe(true);
        expect(queue.bytes).toBe(0);
      }),
    );
  });

  test("does not touch what is being written, whatever is appended meanwhile", () => {
    const queue = new LineQueue();
    const first = `${"a".repeat(CHUNK_BYTES / 2)}\n`;
    queue.append(first);
    const underWay = queue.next();
    for (const letter of ["b", "c", "d", "e"]) queue.append(`${letter.repeat(CHUNK_BYTES / 2)}\n`);
    expect(underWay?.toString()).toBe(first);
  });

  test("fills a chunk again once it is written", () => {
    const queue = new LineQueue();
    const memory = new Set<ArrayBufferLike>();
    for (let round = 0; round < 10; round += 1) {
      queue.append("one line\n");
      const next = queue.next();
      if (next !== null) memory.add(next.buffer);
      queue.wrote(next?.length ?? 0);
    }
    expect(memory.size).toBe(1);
  });

  test("says that a write is worth its while when a chunk is full, and not before", () => {
    const queue = new LineQueue();
    const half = `${"x".repeat(CHUNK_BYTES / 2 - 1)}\n`;
    expect([queue.append(half), queue.append(half), queue.append(half)]).toEqual([false, false, true]);
  });

  test("has room up to the byte", () => {
    const queue = new LineQueue();
    queue.append("€€\n");
    expect([queue.hasRoom("é\n", 10), queue.hasRoom("é\n", 9)]).toEqual([true, false]);
  });
});
