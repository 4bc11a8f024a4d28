/**
 * Loaded into the node that is soaked: it tells what cannot be seen from outside, and puts the node's clocks forward, so that what ends
 * after a day has ended within a second.
 */
import { heapStats } from "bun:jsc";
import { readFileSync } from "node:fs";
import * as v from "valibot";

const Order = v.variant("do", [
  v.object({ do: v.literal("measure"), collects: v.boolean() }),
  v.object({ do: v.literal("shrink") }),
  v.object({ do: v.literal("leak"), bytes: v.number() }),
  v.object({ do: v.literal("advance"), byMs: v.number() }),
]);

const wall = Date.now.bind(Date);
const monotonic = performance.now.bind(performance);
let aheadMs = 0;
Date.now = () => wall() + aheadMs;
performance.now = () => monotonic() + aheadMs;

/** What a planted leak holds. */
const leaked: number[][] = [];
/** What finalizers let go of is garbage only in the next collection, and so is what was on the stack. */
const COLLECTIONS = 4;

function afterThis(): Promise<void> {
  return new Promise<void>((resolve) => void setImmediate(resolve));
}

async function collect(): Promise<void> {
  Bun.gc(true);
  await afterThis();
  Bun.gc(true);
}

/** Drops all compiled code, which comes and goes by its own clock, and gives the allocator's pages back. Bun does it once no script runs. */
async function shrink(): Promise<void> {
  for (let done = 0; done < COLLECTIONS; done += 1) {
    Bun.shrink();
    await afterThis();
    await collect();
  }
}

function measure(): object {
  const { heapSize, objectCount, objectTypeCounts, protectedObjectTypeCounts } = heapStats();
  return {
    ...residentMemory(),
    heapBytes: heapSize,
    objects: objectCount,
    // A timer that has not fired yet is protected from the collector.
    timers: protectedObjectTypeCounts["Timeout"] ?? 0,
    types: objectTypeCounts,
  };
}

/** All of it, and without the pages of files: those are the program itself, and the kernel's to take back. */
function residentMemory(): { residentBytes: number; anonymousBytes: number } {
  const status = readFileSync("/proc/self/status", "utf8");
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1_024;
  return { residentBytes: read("VmRSS"), anonymousBytes: read("RssAnon") };
}

/** Numbers of so many bytes altogether. */
function leak(bytes: number): void {
  leaked.push(Array.from({ length: Math.ceil(bytes / Float64Array.BYTES_PER_ELEMENT) }, (_, n) => n + 0.5));
}

async function answer(order: v.InferOutput<typeof Order>): Promise<void> {
  switch (order.do) {
    case "advance":
      aheadMs += order.byMs;
      break;
    case "shrink":
      await shrink();
      break;
    case "leak":
      leak(order.bytes);
      break;
    case "measure":
      if (order.collects) await collect();
      process.send?.(measure());
      return;
  }
  process.send?.({ aheadMs });
}

process.on("message", (message: unknown) => void answer(v.parse(Order, message)));
