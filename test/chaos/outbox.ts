import type { MessageSize } from "./client-plan.ts";
import type { Fields } from "./framing.ts";
import type { Random } from "./random.ts";

export interface Outgoing {
  readonly id: string;
  readonly roomSlug: string;
  readonly text: string;
  /** As an event, or else as a chat message. */
  readonly isEvent: boolean;
  /** When it may be sent next; infinite while it waits for an answer on this connection. */
  dueMs: number;
  sentMs: number;
}

/** What a published event of the kit is called. */
export const EVENT = "chaos.note";

/** A client that gets no confirmations makes no further messages. */
const MAX_UNCONFIRMED = 64;
/** Longer than a loaded machine takes to answer; what the node has had by then it knows by its id. */
const ANSWER_WITHIN_MS = 10_000;
/** A longer message goes as an event. */
const MAX_CHAT_LENGTH = 4_000;
const FILLER = "tautline ".repeat(2_000);

export function frameOf({ id, roomSlug, text, isEvent }: Outgoing): Fields {
  return isEvent
    ? { type: "publish", roomSlug, event: EVENT, data: { text }, messageId: id }
    : { type: "chat_message", roomSlug, message: text, messageId: id };
}

/** What a publisher has sent and not seen confirmed: sent again, under the same id, until it is. */
export class Outbox {
  readonly #name: string;
  readonly #rooms: readonly string[];
  readonly #size: MessageSize;
  readonly #random: Random;
  readonly #waiting = new Map<string, Outgoing>();
  #made = 0;

  constructor(name: string, rooms: readonly string[], size: MessageSize, random: Random) {
    this.#name = name;
    this.#rooms = rooms;
    this.#size = size;
    this.#random = random;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** The next message; null when too many are unconfirmed. */
  make(): Outgoing | null {
    if (this.#waiting.size >= MAX_UNCONFIRMED) return null;
    const serial = ++this.#made;
    const length = this.#random.integer(this.#size.min, this.#size.max);
    const outgoing: Outgoing = {
      id: `m${serial}`,
      roomSlug: this.#rooms[serial % this.#rooms.length] ?? "",
      text: `${this.#name} says ${serial}: ${FILLER}`.slice(0, Math.max(length, 24)),
      isEvent: length > MAX_CHAT_LENGTH || this.#random.chance(0.5),
      dueMs: 0,
      sentMs: 0,
    };
    this.#waiting.set(outgoing.id, outgoing);
    return outgoing;
  }

  confirmed(id: string): Outgoing | undefined {
    const outgoing = this.#waiting.get(id);
    this.#waiting.delete(id);
    return outgoing;
  }

  /** It may be sent again so late. */
  refused(id: string, dueMs: number): Outgoing | undefined {
    const outgoing = this.#waiting.get(id);
    if (outgoing !== undefined) outgoing.dueMs = dueMs;
    return outgoing;
  }

  /** Whatever was sent on the connection that is gone is sent again. */
  connectionLost(): void {
    for (const outgoing of this.#waiting.values()) outgoing.dueMs = 0;
  }

  /** Those to send now, in the order in which they were made. */
  *due(nowMs: number): Iterable<Outgoing> {
    for (const outgoing of this.#waiting.values()) {
      const isOverdue = outgoing.dueMs === Infinity && nowMs - outgoing.sentMs > ANSWER_WITHIN_MS;
      if (outgoing.dueMs <= nowMs || isOverdue) yield outgoing;
    }
  }
}
