import { ProtocolError } from "../protocol/codes.ts";

const LF = 0x0a;
const CR = 0x0d;
const BOM = "\ufeff";
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Bytes to lines, ended by LF, CRLF or CR, whichever way the bytes are cut into chunks. A BOM before the first is dropped. Lines come out
 * one by one: those before a line that is refused have been handed out by then.
 */
export class Lines {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #isFirst = true;
  #endedByCr = false;

  /** `maxBytes` of one line, without its end. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws MESSAGE_TOO_LARGE, and BAD_REQUEST for what is no UTF-8. */
  *push(chunk: Uint8Array): Generator<string> {
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      const isRestOfCrLf = byte === LF && this.#endedByCr;
      this.#endedByCr = byte === CR;
      if (isRestOfCrLf) start = at + 1;
      else if (byte === LF || byte === CR) {
        this.#keep(chunk.subarray(start, at));
        start = at + 1;
        yield this.#take();
      }
    }
    this.#keep(chunk.slice(start));
  }

  /** What stands behind the last end of a line; nothing when it is empty. */
  *end(): Generator<string> {
    if (this.#bytes > 0) yield this.#take();
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: this.#maxBytes });
    this.#parts.push(part);
  }

  #take(): string {
    if (this.#parts.length === 0) {
      this.#isFirst = false;
      return "";
    }
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    let line: string;
    try {
      line = utf8.decode(bytes);
    } catch {
      throw new ProtocolError("BAD_REQUEST");
    }
    return isFirst && line.startsWith(BOM) ? line.slice(1) : line;
  }
}
