import * as v from "valibot";
import type { WireUser } from "../../protocol/server-frames.ts";

/** What nodes tell each other of the users in a topic. The script puts `epoch` and `version` before it: together they number the changes. */

/** Another one is not understood: such a message is skipped, which shows as a hole in the versions. */
const FORMAT = 1;
/** Changes in one message. */
export const MAX_CHANGES = 250;
/** An id has 128 characters at most and so has a name; what is longer is none of ours. */
const MAX_TEXT = 512;
export const LONGEST_HOLD_MS = 600_000;

const text = v.pipe(v.string(), v.maxLength(MAX_TEXT));
const id = v.pipe(text, v.minLength(1));
const wireId = v.union([text, v.pipe(v.number(), v.safeInteger())]);
const node = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const format = v.literal(FORMAT);
const holdMs = v.pipe(v.number(), v.minValue(0), v.maxValue(LONGEST_HOLD_MS));

const changeMessage = v.object({
  ...{
    format,
    epoch: v.pipe(v.string(), v.minLength(1), v.maxLength(32)),
    version: v.pipe(v.number(), v.safeInteger()),
  },
  /** Whose users they are, and who says so: a node that is dead is cleaned up by others. */
  ...{ node, by: node },
  joined: v.pipe(v.array(v.tuple([id, wireId, text])), v.maxLength(MAX_CHANGES)),
  left: v.pipe(v.array(id), v.maxLength(MAX_CHANGES)),
  held: v.pipe(v.array(v.tuple([id, wireId, text, holdMs])), v.maxLength(MAX_CHANGES)),
});
const typingMessage = v.object({ format, by: node, typing: v.tuple([wireId, text, v.boolean()]) });
const message = v.union([changeMessage, typingMessage]);

export type ChangeMessage = v.InferOutput<typeof changeMessage>;
export type TypingMessage = v.InferOutput<typeof typingMessage>;

/** Null for what is no message of ours, or of another format. */
export function readPresence(raw: string): ChangeMessage | TypingMessage | null {
  const { success, output } = v.safeParse(message, parsed(raw), { abortEarly: true });
  return success ? output : null;
}

export function typingText(by: string, { userId, username }: WireUser, isTyping: boolean): string {
  return JSON.stringify({
    format: FORMAT,
    by,
    typing: [userId, wellFormed(username), isTyping],
  } satisfies TypingMessage);
}

/** The message of a change, without what the script puts before it. */
export function changeText(change: Pick<ChangeMessage, "node" | "by" | "joined" | "left" | "held">): string {
  return JSON.stringify({ format: FORMAT, ...change });
}

/** What the hash holds of a user, in the same letters whoever writes it. */
const storedUser = v.tuple([wireId, text]);

export function storedText({ userId, username }: WireUser): string {
  return JSON.stringify([typeof userId === "string" ? wellFormed(userId) : userId, wellFormed(username)]);
}

export function readStored(raw: string): WireUser | null {
  if (raw.length > 8 * MAX_TEXT) return null;
  const { success, output } = v.safeParse(storedUser, parsed(raw));
  return success ? { userId: output[0], username: output[1] } : null;
}

/** Where a user is in the hash: under the node, or under none while it is held. */
export function fieldOf(nodeName: string, userId: string): string {
  return `${nodeName}\n${wellFormed(userId)}`;
}

/** The script's JSON knows no halves of characters. */
function wellFormed(value: string): string {
  return value.toWellFormed();
}

function parsed(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}
