import { type Fields, fieldsOf, numberOf, textOf } from "./framing.ts";
import type { Place, Receipt } from "./history.ts";

/** Longer texts stand in the history as their beginning, length and hash. */
const MAX_RECORDED_LENGTH = 120;

export function placeOf(frame: Fields): Place {
  return { offset: numberOf(frame, "offset"), epoch: textOf(frame, "epoch") };
}

/** What a chat message and an event of the kit say alike. */
export function receivedMessage(frame: Fields): Place & Pick<Receipt, "from" | "id" | "payload" | "publishedAtMs"> {
  const data = fieldsOf(frame["data"]);
  const isChat = frame["type"] === "new_message";
  return {
    from: isChat ? textOf(data, "userSlug") : textOf(fieldsOf(frame["from"]), "userId"),
    id: isChat ? textOf(data, "slug") : textOf(frame, "messageId"),
    payload: recordedAs(textOf(data, isChat ? "message" : "text")),
    publishedAtMs: numberOf(frame, "timestamp"),
    ...placeOf(frame),
  };
}

/** The same for what was sent and what came, and short. */
export function recordedAs(text: string): string {
  if (text.length <= MAX_RECORDED_LENGTH) return text;
  return `${text.slice(0, MAX_RECORDED_LENGTH / 2)}… ${text.length} ${Bun.hash(text).toString(16)}`;
}
