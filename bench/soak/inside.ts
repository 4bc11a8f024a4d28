/**
 * Loaded into the node that is soaked: it tells what cannot be seen from outside, and puts the node's clocks forward, so that what ends
 * after a day has ended within a second.
 */
import { heapStats } from "bun:jsc";
import * as v from "valibot";

const Order = v.variant("do", [
  v.object({ do: v.literal("measure"), collects: v.boolean() }),
  v.object({ do: v.literal("advance"), byMs: v.number() }),
]);

const wall = Date.now.bind(Date);
const monotonic = performance.now.bind(performance);
let aheadMs = 0;
Date.now = () => wall() + aheadMs;
performance.now = () => monotonic() + aheadMs;

async function answer(order: v.InferOutput<typeof Order>): Promise<void> {
  if (order.do === "advance") {
    aheadMs += order.byMs;
    process.send?.({ aheadMs });
    return;
  }
  if (order.collects) {
    Bun.gc(true);
    // What finalizers let go of is garbage only then.
    await new Promise<void>((resolve) => void setImmediate(resolve));
    Bun.gc(true);
  }
  const { heapSize, objectCount, objectTypeCounts, protectedObjectTypeCounts } = heapStats();
  process.send?.({
    residentBytes: process.memoryUsage.rss(),
    heapBytes: heapSize,
    objects: objectCount,
    // A timer that has not fired yet is protected from the collector.
    timers: protectedObjectTypeCounts["Timeout"] ?? 0,
    types: objectTypeCounts,
  });
}

process.on("message", (message: unknown) => void answer(v.parse(Order, message)));
