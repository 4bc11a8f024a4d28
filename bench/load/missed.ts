import * as v from "valibot";

/** Where a client stands in a room. */
const position = v.object({ offset: v.number(), epoch: v.string() });
export type Position = v.InferOutput<typeof position>;

const answer = v.object({
  type: v.literal("room_joined"),
  recovered: v.literal(true),
  ...position.entries,
  messages: v.array(v.object({ type: v.literal("new_message"), ...position.entries })),
});

/** The server writes the messages last, as one text for all who missed the same. */
const MESSAGES = Buffer.from(',"messages":[');
const NONE = ',"messages":[]}';

/**
 * What every member of a room missed alike. The first answer is read in full; of the others only the head is, and the bytes of the messages
 * are compared with the first one's: parsing a third of a gigabyte would take the generator longer than the server takes to send it.
 */
export class Missed {
  readonly from: Position;
  readonly count: number;
  #whole: Uint8Array | null = null;

  constructor(from: Position, count: number) {
    this.from = from;
    this.count = count;
  }

  /** Where a client stands that has recovered everything. */
  get until(): Position {
    return { offset: this.from.offset + this.count, epoch: this.from.epoch };
  }

  /** Whether the payload is the answer that holds exactly the missed offsets, each once and in order, and nothing else. */
  isWhole(payload: Uint8Array): boolean {
    const frame = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    const at = frame.indexOf(MESSAGES);
    if (at === -1) return false;
    const tail = frame.subarray(at);
    if (this.#whole?.length === tail.length && tail.equals(this.#whole)) {
      return this.#isAnswer(`${frame.toString("utf8", 0, at)}${NONE}`, 0);
    }
    if (!this.#isAnswer(frame.toString("utf8"), this.count)) return false;
    this.#whole = new Uint8Array(tail);
    return true;
  }

  #isAnswer(json: string, messages: number): boolean {
    const { success, output } = v.safeParse(answer, JSON.parse(json));
    if (!success || output.messages.length !== messages) return false;
    const { offset, epoch } = this.until;
    return (
      output.offset === offset &&
      output.epoch === epoch &&
      output.messages.every((message, i) => message.offset === this.from.offset + 1 + i && message.epoch === epoch)
    );
  }
}

export const isPosition = (frame: unknown): frame is Position => v.is(position, frame);
