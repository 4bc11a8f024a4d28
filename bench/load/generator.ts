/** The load generator's process: takes orders over IPC, carries out one at a time, ends with its parent. */
import { Fleet } from "./fleet.ts";
import { parseOrder, type Order, type Report } from "./orders.ts";

const fleet = new Fleet();

async function carryOut(order: Order): Promise<Report> {
  if (order.do === "open") return fleet.open(order);
  if (order.do === "broadcast") return fleet.broadcast(order.warmupMs, order.measureMs);
  if (order.do === "quiet") await fleet.quiet(order.forMs);
  else await fleet.close();
  return { done: order.do };
}

async function answer(message: unknown): Promise<void> {
  try {
    process.send?.(await carryOut(parseOrder(message)));
  } catch (error) {
    process.send?.({ done: "failed", reason: error instanceof Error ? error.message : "unknown" } satisfies Report);
  }
}

process.on("message", (message) => void answer(message));
process.on("disconnect", () => process.exit(0));
