import { ERRORS, ProtocolError, retryAfterMsOf } from "../protocol/codes.ts";
import type { FrameId } from "../protocol/frames.ts";
import type { ServerFrame } from "../protocol/server-frames.ts";
import { isId, isRoomSlug, isTopic } from "../protocol/topic.ts";

/** The parts of a frame that its error repeats: each only when it is well formed, so that nothing else comes back. */
export interface ErrorContext {
  readonly id?: FrameId;
  readonly messageId?: string;
  readonly roomSlug?: string;
  readonly topic?: string;
}

export function errorContext(frame: Readonly<Record<string, unknown>>): ErrorContext {
  const { id, messageId, roomSlug, topic = conversationOf(frame["conversation_id"]) } = frame;
  return {
    ...(isFrameId(id) && { id }),
    ...(typeof messageId === "string" && messageId !== "" && messageId.length <= 64 && { messageId }),
    ...(typeof roomSlug === "string" && isRoomSlug(roomSlug) && { roomSlug }),
    ...(typeof topic === "string" && isTopic(topic) && { topic }),
  };
}

/** The topic that `subscribe_conversation` means. */
function conversationOf(id: unknown): string | undefined {
  return (typeof id === "string" && isId(id)) || Number.isSafeInteger(id) ? `conversation:${String(id)}` : undefined;
}

function isFrameId(id: unknown): id is FrameId {
  return (typeof id === "string" && id.length <= 64) || Number.isSafeInteger(id);
}

export function errorFrame(error: ProtocolError, context: ErrorContext, timestamp: number): ServerFrame {
  const retryAfterMs = retryAfterMsOf(error);
  return {
    type: "error",
    code: error.code,
    message: ERRORS[error.code].text,
    ...error.details,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...context,
    timestamp,
  };
}

/** Anything but a ProtocolError is a fault of ours: the client learns where to ask, the log learns what happened. */
export function asProtocolError(
  error: unknown,
  report: (error: unknown, correlationId: string) => void,
): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const correlationId = crypto.randomUUID();
  report(error, correlationId);
  return new ProtocolError("INTERNAL", { correlationId }, error);
}
