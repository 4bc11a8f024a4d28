import { usageSince, type Fleet } from "./fleet.ts";
import type { Link } from "./link.ts";
import type { BroadcastReport } from "./orders.ts";

/** What the senders of a fleet send, and the proof that everybody got it. */

const DRAIN_DEADLINE_MS = 20_000;

/** Keeps every sender's messages in flight for the window, then waits for the rest and counts that nothing is missing. */
export async function broadcast(fleet: Fleet, warmupMs: number, measureMs: number): Promise<BroadcastReport> {
  const senders = sendersOf(fleet);
  for (const sender of senders) send(sender, Number.POSITIVE_INFINITY);
  await Bun.sleep(warmupMs);
  const start = fleet.mark();
  await Bun.sleep(measureMs);
  const end = fleet.mark();
  for (const sender of senders) sender.quota = sender.sent;
  await delivered(fleet);
  return {
    done: "broadcast",
    ...usageSince(start, end),
    deliveries: end.deliveries - start.deliveries,
    messages: end.messages - start.messages,
    bytes: end.bytes - start.bytes,
  };
}

/** So many messages more to each room. */
export async function publish(fleet: Fleet, messages: number): Promise<void> {
  for (const sender of sendersOf(fleet)) send(sender, sender.sent + messages);
  await delivered(fleet);
}

export function sendersOf(fleet: Fleet): readonly Link[] {
  return fleet.links.filter((link) => link.isSender);
}

function send(sender: Link, quota: number): void {
  sender.quota = quota;
  sender.pump();
}

/** A room has no other messages than its sender's, so each member must have got as many as were sent since it joined. */
export async function delivered(fleet: Fleet): Promise<void> {
  const senders = sendersOf(fleet);
  const isWhole = (link: Link, sent: number): boolean =>
    link.stream.broadcasts === sent - (link.position?.offset ?? 0) &&
    link.stream.acknowledgements === (link.isSender ? link.sent : 0);
  const isDone = (): boolean => {
    if (senders.some((sender) => sender.sent < sender.quota)) return false;
    const sent = new Map(senders.map((sender) => [sender.room, sender.sent]));
    return fleet.links.every((link) => isWhole(link, sent.get(link.room) ?? 0));
  };
  await fleet.until(isDone, DRAIN_DEADLINE_MS, "deliveries or acknowledgements are missing or too many");
}
