/** The load generator's process: takes orders over IPC, carries out one at a time, ends with its parent. */
import { arrive } from "./arrivals.ts";
import { Fleet } from "./fleet.ts";
import { parseOrder, type Order, type Report } from "./orders.ts";
import { pace } from "./pace.ts";
import { broadcast, publish } from "./traffic.ts";

const fleet = new Fleet();

async function carryOut(order: Order): Promise<Report> {
  switch (order.do) {
    case "open":
      return fleet.open(order);
    case "broadcast":
      return broadcast(fleet, order.warmupMs, order.measureMs);
    case "pace":
      return pace(fleet, order);
    case "reconnect":
      return fleet.reconnect(order);
    case "arrive":
      return arrive(fleet, order.overMs, order.quietMs);
    case "quiet":
      await fleet.quiet(order.forMs);
      break;
    case "publish":
      await publish(fleet, order.messages);
      break;
    case "cut":
      await fleet.cut();
      break;
    case "close":
      await fleet.close();
  }
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
