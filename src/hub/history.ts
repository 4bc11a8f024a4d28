import type { History } from "../broker/broker.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import type { Around } from "../protocol/server-frames.ts";
import { replyTo } from "../protocol/frames.ts";
import { placeOf, topicOf } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";
import { requireAccess } from "./guards.ts";
import type { Hub } from "./hub.ts";
import { afterRelief } from "./pacing.ts";
import { newestThatFit, partsOf } from "./recovery.ts";

/** Messages in one answer to `history`. */
const MAX_LIMIT = 100;

type HistoryFrame = ClientFrame<"history">;

/** The newest messages of a topic, or with `since` the oldest after it; no more than fit into one frame. */
export function history(hub: Hub, connection: Connection, frame: HistoryFrame): void | Promise<void> {
  const topic = topicOf(frame);
  const asked = requireAccess(hub, connection, "history", topic);
  if (asked === undefined) return look(hub, connection, frame, topic);
  return asked.then(() => look(hub, connection, frame, topic));
}

function look(hub: Hub, connection: Connection, frame: HistoryFrame, topic: string): void | Promise<void> {
  const limit = Math.min(frame.limit ?? MAX_LIMIT, MAX_LIMIT);
  const found = hub.broker.history(topic, frame.since ?? null, limit);
  if (found instanceof Promise) return found.then((known) => answer(hub, connection, frame, topic, known));
  return answer(hub, connection, frame, topic, found);
}

function answer(
  hub: Hub,
  connection: Connection,
  frame: HistoryFrame,
  topic: string,
  { offset, epoch, recovered, messages }: History,
): void | Promise<void> {
  if (connection.state === "gone") return;
  const [oldest = []] = frame.since === undefined ? [newestThatFit(messages)] : partsOf(messages);
  const reply: Around<"history"> = {
    type: "history",
    ...replyTo(frame),
    ...placeOf(topic),
    offset,
    epoch,
    ...(frame.since !== undefined && { recovered }),
    timestamp: hub.clock.now(),
  };
  connection.sendWith(reply, hub.answers.messages(topic, connection.codec, oldest));
  return afterRelief(hub, connection);
}
