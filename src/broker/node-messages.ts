import * as v from "valibot";
import { isLife } from "./life.ts";

/** What nodes say to each other on the bus, as JSON. A version that a node does not know is none of its messages. */

const VERSION = 1;

const Version = v.literal(VERSION);
const Life = v.pipe(v.string(), v.check(isLife));
const QuestionId = v.pipe(v.string(), v.regex(/^\d{1,15}$/));

const Announcement = v.object({ v: Version, node: Life, is: v.picklist(["come", "gone"]) });
const QuestionMessage = v.object({
  ...{ v: Version, id: QuestionId, from: Life },
  question: v.pipe(v.string(), v.regex(/^[a-z][a-z.-]{0,63}$/)),
  body: v.optional(v.unknown()),
});
const AnswerMessage = v.object({
  ...{ v: Version, id: QuestionId, node: Life },
  /** It does not know the question, or could not answer it. */
  refused: v.optional(v.literal(true)),
  body: v.optional(v.unknown()),
});

export type Announcement = v.InferOutput<typeof Announcement>;
export type QuestionMessage = v.InferOutput<typeof QuestionMessage>;
export type AnswerMessage = v.InferOutput<typeof AnswerMessage>;

export function textOf(
  message: Omit<Announcement, "v"> | Omit<QuestionMessage, "v"> | Omit<AnswerMessage, "v">,
): string {
  return JSON.stringify({ v: VERSION, ...message });
}

/** Null for what is no such message. */
export function announcementIn(text: string): Announcement | null {
  return read(Announcement, text);
}

/** Null for what is no such message. */
export function questionIn(text: string): QuestionMessage | null {
  return read(QuestionMessage, text);
}

/** Null for what is no such message. */
export function answerIn(text: string): AnswerMessage | null {
  return read(AnswerMessage, text);
}

function read<T>(schema: v.GenericSchema<unknown, T>, text: string): T | null {
  try {
    const parsed = v.safeParse(schema, JSON.parse(text), { abortEarly: true });
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}
