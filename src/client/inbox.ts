import type { Emitter } from "./emitter.ts";
import type { Message } from "./message.ts";
import type { Position } from "./position.ts";

/** Messages that are missing and cannot be had from the node any more. */
export interface Gap {
  /** The last message before it. */
  readonly after: Position;
  /** Where it goes on. */
  readonly to: Position;
}

export interface InboxEvents {
  message: Message;
  gap: Gap;
}

/** What came live and waits for older messages. Beyond it all of it is dropped, and got by another join. */
const MAX_HELD = 1_000;
const MAX_IDS = 1_000;
/** Well over the time in which a message is sent again under its id; later the same id is another message. */
const SAME_ID_MS = 600_000;

/** Brings the messages of one topic into their order: recovered ones before live ones, and each exactly once. */
export class Inbox {
  readonly #events: Pick<Emitter<InboxEvents>, "emit">;
  readonly #resync: () => void;
  readonly #times = new Map<string, number>();
  #position: Position | null;
  /** Up to which offset messages of a recovery are to come; none are when it is 0, and nobody knows while a join is not answered. */
  #goal = 0;
  #held: (Message | Position)[] = [];

  /** `resync`: messages are missing that the node may still have. Joins again, with the position. */
  constructor(events: Pick<Emitter<InboxEvents>, "emit">, resync: () => void, position: Position | null) {
    this.#events = events;
    this.#resync = resync;
    this.#position = position;
  }

  /** The position of the last message, or of the first join; null before it. */
  get position(): Position | null {
    return this.#position;
  }

  /** A join is sent: what comes from now on waits for its answer. */
  joins(): void {
    this.#goal = Infinity;
    this.#held = [];
  }

  /** The answer to a join; `at` is where the topic stands. */
  joined(at: Position, isRecovered: boolean, messages: readonly Message[]): void {
    const known = this.#position;
    if (known && isRecovered) {
      this.#goal = at.offset;
      this.#takeAll(messages);
      return this.#release();
    }
    const [first] = this.#held;
    // A topic that comes without asking is live before the answer.
    const offset = first?.epoch === at.epoch ? Math.min(at.offset, behind(first)) : at.offset;
    this.#goal = 0;
    this.#moveTo({ offset, epoch: at.epoch });
    this.#release();
  }

  recovered(messages: readonly Message[], more = false): void {
    this.#takeAll(messages);
    if (!more) this.#goal = 0;
    this.#release();
  }

  /** A message, or a position up to which the node says that messages are lost: a join that has no answer yet may still get them. */
  live(come: Message | Position): void {
    if (!this.#goal) this.#inOrder(come);
    else if (this.#held.push(come) > MAX_HELD) this.#resync();
  }

  #takeAll(messages: readonly Message[]): void {
    for (const message of messages) this.#take(message);
  }

  #release(): void {
    if ((this.#position?.offset ?? 0) < this.#goal) return;
    this.#goal = 0;
    const held = this.#held;
    this.#held = [];
    // The first that is behind a hole makes the others wait again.
    for (const come of held) this.live(come);
  }

  #inOrder(come: Message | Position): void {
    const after = this.#position;
    if (!after) return;
    const { epoch } = come;
    const isMessage = "event" in come;
    const to = { epoch, offset: behind(come) };
    if (epoch !== after.epoch || to.offset > after.offset) {
      if (isMessage && epoch === after.epoch) {
        this.#resync();
        return this.live(come);
      }
      this.#moveTo(to);
    }
    if (isMessage) this.#take(come);
  }

  #moveTo(to: Position): void {
    const after = this.#position;
    this.#position = to;
    if (after && (after.epoch !== to.epoch || after.offset !== to.offset)) this.#events.emit("gap", { after, to });
  }

  #take(message: Message): void {
    const { epoch, offset, messageId, from, timestamp } = message;
    const after = this.#position;
    if (after?.epoch === epoch && offset <= after.offset) return;
    this.#position = { epoch, offset };
    const id = `${from?.userId ?? ""} ${messageId}`;
    const seenAt = this.#times.get(id);
    // Sent again in another epoch, where the node no longer knew it.
    if (seenAt && timestamp - seenAt < SAME_ID_MS) return;
    this.#times.delete(id);
    this.#times.set(id, timestamp);
    const [oldest = ""] = this.#times.keys();
    if (this.#times.size > MAX_IDS) this.#times.delete(oldest);
    this.#events.emit("message", message);
  }
}

/** Up to which offset everything has come before, or never comes. */
function behind(come: Message | Position): number {
  return come.offset - Number("event" in come);
}
