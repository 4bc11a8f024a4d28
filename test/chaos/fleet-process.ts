/** What a process with clients runs: it takes orders over IPC, one at a time, and ends with the kit. */
import { Fleet } from "./fleet.ts";
import { type Order, parseOrder, type Report } from "./orders.ts";

let fleet: Fleet | null = null;

function opened(): Fleet {
  if (fleet === null) throw new Error("the fleet is not open");
  return fleet;
}

async function carryOut(order: Order): Promise<Report> {
  switch (order.do) {
    case "open":
      setTimeout(() => process.exit(3), order.endsAfterMs);
      fleet = new Fleet(order);
      break;
    case "load":
      opened().load(order.isOn);
      break;
    case "status":
      return opened().status(order);
    case "compare":
      return { done: "compare", different: opened().compare(order.users) };
    case "record-users":
      opened().recordUsers();
      break;
    case "stop":
      return opened().stop();
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

/** A client that does not understand what came must not go on as if nothing were wrong: the kit sees the end of the process. */
function failed(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}

export function serveFleet(): void {
  process.on("message", (message) => void answer(message));
  process.on("disconnect", () => process.exit(0));
  process.on("uncaughtException", failed).on("unhandledRejection", failed);
  // Ctrl+C reaches the whole process group; the kit ends its processes itself.
  process.on("SIGINT", () => {});
}
