import { isEventName } from "../protocol/event-name.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { isSayable } from "./fields.ts";
import { Lines } from "./lines.ts";

/** One thing that is published. */
export interface StreamItem {
  /** Null: the name that the request gives to all of them. */
  readonly event: string | null;
  readonly data: unknown;
}

/** What a line completes: an item, the end that the sender announced, or nothing yet. */
type Completed = StreamItem | "end" | null;

/** One way of writing items in lines. Every method throws BAD_REQUEST for an item that is none, and MESSAGE_TOO_LARGE. */
interface Notation {
  line(text: string): Completed;
  /** The body is over: what was not ended counts as ended. */
  end(): Completed;
}

/** Bytes of one line, and of one item with all its lines. */
export const MAX_ITEM_BYTES = 65_536;

/** How a model's API says that its answer is complete. */
const END = "[DONE]";

/** One JSON value a line; empty lines keep a slow stream alive. */
class Ndjson implements Notation {
  line(text: string): Completed {
    const trimmed = text.trim();
    if (trimmed === "") return null;
    if (trimmed === END) return "end";
    try {
      return sayable(null, JSON.parse(trimmed));
    } catch {
      throw new ProtocolError("BAD_REQUEST"); // without the parser's message: it quotes the line
    }
  }

  end(): Completed {
    return null;
  }
}

/** Server-sent events (HTML standard, section 9.2.6); `id`, `retry` and comments say nothing here. */
class EventStream implements Notation {
  #event = "";
  #data: string[] = [];
  #bytes = 0;

  line(text: string): Completed {
    if (text === "") return this.end();
    const colon = text.indexOf(":");
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? "" : text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    if (field === "data") this.#add(value);
    return null;
  }

  /** The standard drops an event without the empty line behind it; here nothing is lost that came whole. */
  end(): Completed {
    const [event, lines] = [this.#event, this.#data];
    this.#event = "";
    this.#data = [];
    this.#bytes = 0;
    if (lines.length === 0) return null;
    const text = lines.join("\n");
    if (text === END) return "end";
    if (event !== "" && !isEventName(event)) throw new ProtocolError("BAD_REQUEST");
    return sayable(event === "" ? null : event, jsonOrText(text));
  }

  #add(value: string): void {
    this.#bytes += Buffer.byteLength(value) + 1;
    if (this.#bytes > MAX_ITEM_BYTES) throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: MAX_ITEM_BYTES });
    this.#data.push(value);
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function sayable(event: string | null, data: unknown): StreamItem {
  if (!isSayable(data)) throw new ProtocolError("BAD_REQUEST");
  return { event, data };
}

const NOTATIONS = {
  "application/x-ndjson": Ndjson,
  "text/event-stream": EventStream,
} as const satisfies Record<string, new () => Notation>;

export type StreamType = keyof typeof NOTATIONS;

export const STREAM_TYPES = Object.keys(NOTATIONS);

/** Of a `Content-Type`, whatever its parameters; null for any other. */
export function streamTypeOf(contentType: string | null): StreamType | null {
  const [type = ""] = (contentType ?? "").split(";");
  const name = type.trim().toLowerCase();
  return isStreamType(name) ? name : null;
}

function isStreamType(name: string): name is StreamType {
  return Object.hasOwn(NOTATIONS, name);
}

/** Chunks of a body to items, as soon as each is complete, whichever way the bytes are cut. */
export class StreamItems {
  readonly #notation: Notation;
  readonly #lines = new Lines(MAX_ITEM_BYTES);
  /** Lines so far, those too that complete no item: somebody is there. */
  lineCount = 0;
  /** The sender has said that nothing follows. */
  isEnded = false;

  constructor(type: StreamType) {
    this.#notation = new NOTATIONS[type]();
  }

  /** Those before one that is refused have been handed out by then. Throws BAD_REQUEST, MESSAGE_TOO_LARGE. */
  *push(chunk: Uint8Array): Generator<StreamItem> {
    for (const line of this.#lines.push(chunk)) {
      yield* this.#read(line);
      if (this.isEnded) return;
    }
  }

  *end(): Generator<StreamItem> {
    for (const line of this.#lines.end()) if (!this.isEnded) yield* this.#read(line);
    if (!this.isEnded) yield* this.#completed(this.#notation.end());
  }

  *#read(line: string): Generator<StreamItem> {
    this.lineCount += 1;
    yield* this.#completed(this.#notation.line(line));
  }

  *#completed(completed: Completed): Generator<StreamItem> {
    if (completed === "end") this.isEnded = true;
    else if (completed !== null) yield completed;
  }
}
