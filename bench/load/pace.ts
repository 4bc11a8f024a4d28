import { usageSince, type Fleet } from "./fleet.ts";
import { percentile, Schedule } from "./latencies.ts";
import type { PaceOrder, PaceReport } from "./orders.ts";
import { delivered, sendersOf } from "./traffic.ts";

const TICK_MS = 1;

/**
 * Open loop: so many messages a second over all rooms, each when the schedule says, whether those before are answered or not. A latency is the time from
 * then until a member has the message who is not its sender.
 */
export async function pace(fleet: Fleet, { perSecond, warmupMs, measureMs }: PaceOrder): Promise<PaceReport> {
  const senders = sendersOf(fleet);
  const latenciesMs: number[] = [];
  const schedules = new Map(senders.map(({ room }) => [room, new Schedule(latenciesMs)]));
  for (const link of fleet.links) if (!link.isSender) schedules.get(link.room)?.watch(link);
  for (const sender of senders) sender.quota = sender.sent;

  const beginMs = performance.now();
  let latestMs = 0;
  let next = 0;
  const sendUntil = async (endMs: number): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
      for (let dueMs = beginMs + (next * 1_000) / perSecond; dueMs <= nowMs; next++) {
        const sender = senders[next % senders.length];
        if (sender === undefined) throw new Error("nobody is there to send");
        latestMs = Math.max(latestMs, nowMs - dueMs);
        schedules.get(sender.room)?.dueMs.push(dueMs);
        sender.quota += 1;
        sender.pump();
        dueMs = beginMs + ((next + 1) * 1_000) / perSecond;
      }
      await Bun.sleep(TICK_MS);
    }
  };
  await sendUntil(beginMs + warmupMs);
  latenciesMs.length = 0;
  latestMs = 0;
  const start = fleet.mark();
  await sendUntil(beginMs + warmupMs + measureMs);
  const end = fleet.mark();
  await delivered(fleet);
  for (const link of fleet.links) link.onArrival = null;
  return {
    done: "pace",
    ...usageSince(start, end),
    messages: end.messages - start.messages,
    deliveries: end.deliveries - start.deliveries,
    latencies: latenciesMs.length,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    latestMs,
  };
}
