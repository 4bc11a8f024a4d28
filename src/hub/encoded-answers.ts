import type { Positioned } from "../broker/broker.ts";
import type { Codec, EncodedFields } from "../protocol/codec.ts";

/** Answers that are kept. */
const MAX_ANSWERS = 64;

/**
 * Messages of recoveries, encoded once for all who missed the same. After a restart a whole room asks for what came behind one
 * position: without this the node would encode the same hundred messages for each of them. Forgotten every second.
 */
export class EncodedAnswers {
  readonly #answers = new Map<string, EncodedFields>();

  get size(): number {
    return this.#answers.size;
  }

  /** The field `messages` of an answer; they are messages of one topic in the order of their offsets. */
  messages(topic: string, codec: Codec, messages: readonly Positioned[]): EncodedFields {
    const first = messages[0];
    if (first === undefined) return codec.encodeMessages(messages);
    const key = `${codec.prefix}${topic}\n${first.epoch}\n${first.offset}\n${messages.length}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const encoded = codec.encodeMessages(messages);
    if (this.#answers.size >= MAX_ANSWERS) this.#answers.clear();
    this.#answers.set(key, encoded);
    return encoded;
  }

  sweep(): void {
    this.#answers.clear();
  }
}
