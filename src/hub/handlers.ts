import * as v from "valibot";
import { ProtocolError } from "../protocol/codes.ts";
import type { ClientFrame, ClientFrameType } from "../protocol/frames.ts";
import { clientFrames, replyTo } from "../protocol/frames.ts";
import { placeOf, topicOf } from "../protocol/topic.ts";
import { chatMessage } from "./chat.ts";
import type { Connection } from "./connection.ts";
import { principalOf, requireAccess, requireMembership } from "./guards.ts";
import { history } from "./history.ts";
import type { Hub } from "./hub.ts";
import { afterRelief } from "./pacing.ts";
import { publish } from "./publishing.ts";
import { refresh } from "./session.ts";
import { joinRoom, leaveRoom, subscribe, subscribeConversation, unsubscribe } from "./subscribe.ts";

/** What one frame type costs, and does. A new frame type is a schema in `protocol/frames.ts` and a row here. */
export interface Row {
  readonly type: ClientFrameType;
  /** Which of the user's buckets pays. */
  readonly budget: "messages" | "joins" | "free";
  /** Tokens per started 4 KiB. */
  readonly cost: number;
  /** Validates and handles. Returns a promise only when something really waits. */
  run(hub: Hub, connection: Connection, decoded: unknown): void | Promise<void>;
}

type Handle<T extends ClientFrameType> = (
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<T>,
) => void | Promise<void>;

function row<T extends ClientFrameType>(
  type: T,
  budget: Row["budget"],
  cost: number,
  handle: Handle<T>,
): [string, Row] {
  const schema: v.GenericSchema<unknown, ClientFrame<T>> = clientFrames[type];
  return [
    type,
    {
      type,
      budget,
      cost,
      run(hub, connection, decoded) {
        const parsed = v.safeParse(schema, decoded, { abortEarly: true });
        if (!parsed.success) throw new ProtocolError("BAD_MESSAGE");
        return handle(hub, connection, parsed.output);
      },
    },
  ];
}

const ROWS: ReadonlyMap<string, Row> = new Map([
  row("auth", "messages", 1, (hub, connection, frame) => refresh(hub, connection, frame, "auth_success")),
  row("refresh", "messages", 1, (hub, connection, frame) => refresh(hub, connection, frame, "auth_refreshed")),
  row("join_room", "joins", 1, joinRoom),
  row("leave_room", "free", 0, leaveRoom),
  row("chat_message", "messages", 1, chatMessage),
  row("subscribe", "joins", 1, subscribe),
  row("unsubscribe", "free", 0, unsubscribe),
  row("subscribe_conversation", "joins", 1, subscribeConversation),
  row("publish", "messages", 1, publish),
  row("typing", "messages", 1, typing),
  row("presence", "messages", 2, presence),
  row("history", "messages", 2, history),
  row("ping", "messages", 1, (hub, connection, frame) => {
    connection.send({ type: "pong", ...replyTo(frame), timestamp: hub.clock.now() });
  }),
  row("pong", "free", 0, () => undefined),
]);

export function findRow(type: unknown): Row | undefined {
  return typeof type === "string" ? ROWS.get(type) : undefined;
}

function typing(hub: Hub, connection: Connection, frame: ClientFrame<"typing">): void {
  const room = requireMembership(hub, connection, topicOf(frame));
  const { wireId, username, id } = principalOf(connection);
  if (!hub.presence.types(room, id, frame.isTyping)) return;
  hub.rooms.announceToOthers(connection, room, {
    type: "typing",
    ...room.place,
    userId: wireId,
    username,
    isTyping: frame.isTyping,
    timestamp: hub.clock.now(),
  });
}

function presence(hub: Hub, connection: Connection, frame: ClientFrame<"presence">): void | Promise<void> {
  const topic = topicOf(frame);
  const asked = requireAccess(hub, connection, "presence", topic);
  const opening = asked === undefined ? openPresence(hub, topic) : asked.then(() => openPresence(hub, topic));
  if (opening === undefined) return answerPresence(hub, connection, frame, topic);
  return opening.then(() => answerPresence(hub, connection, frame, topic));
}

/** In a room that somebody is in, who is there is known. */
function openPresence(hub: Hub, topic: string): void | Promise<void> {
  if (hub.rooms.get(topic) === undefined) return hub.presence.open(topic);
}

function answerPresence(
  hub: Hub,
  connection: Connection,
  frame: ClientFrame<"presence">,
  topic: string,
): void | Promise<void> {
  connection.send({
    type: "presence_state",
    ...replyTo(frame),
    ...placeOf(topic),
    ...hub.presence.page(topic, frame.after),
    timestamp: hub.clock.now(),
  });
  return afterRelief(hub, connection);
}
