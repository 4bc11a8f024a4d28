import { binaryLetter, LETTER_WITHIN, textLetter } from "./frame-letter.ts";

/** Reads the server's half of a WebSocket byte stream (RFC 6455 section 5.2) and counts, without copying payloads. */

const TEXT = 0x81;
const BINARY = 0x82;
const CLOSE = 0x88;
const PING = 0x89;
const LETTER_BROADCAST = "n".charCodeAt(0);
const LETTER_ACKNOWLEDGEMENT = "m".charCodeAt(0);
const LETTER_PRESENCE = "p".charCodeAt(0);
const LETTER_USER = "u".charCodeAt(0);
/** More than any frame that is kept whole; presence lists, which are longer, are skipped unread. */
const MAX_KEPT_BYTES = 1 << 20;

/** The payloads are views that are good until the call returns. */
export interface FrameEvents {
  /** Every text frame that is neither a broadcast, an acknowledgement, nor presence. */
  text(payload: Uint8Array): void;
  /** The same in MessagePack. */
  binary(payload: Uint8Array): void;
  ping(payload: Uint8Array): void;
  /** The close code, 1005 when there is none. */
  closed(code: number): void;
  /** The bytes are no frame that a server may send. */
  broken(reason: string): void;
}

export class FrameStream {
  broadcasts = 0;
  acknowledgements = 0;
  /** Presence of others: counted, so that a run can wait for quiet. */
  presences = 0;
  bytes = 0;
  readonly #events: FrameEvents;
  #skip = 0;
  #carry: Uint8Array | null = null;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  read(arrived: Uint8Array): void {
    this.bytes += arrived.length;
    let chunk = arrived;
    if (this.#carry !== null) {
      chunk = Buffer.concat([this.#carry, arrived]);
      this.#carry = null;
    }
    const end = chunk.length;
    let at = this.#skip;
    while (at < end) {
      const left = end - at;
      const opening = chunk[at] ?? 0;
      const length7 = chunk[at + 1] ?? 0;
      const headerBytes = length7 < 126 ? 2 : length7 === 126 ? 4 : 10;
      if (left < 2 || left < headerBytes) break;
      const payloadBytes =
        length7 < 126
          ? length7
          : length7 === 126
            ? ((chunk[at + 2] ?? 0) << 8) | (chunk[at + 3] ?? 0)
            : readLength64(chunk, at + 2);
      const frameBytes = headerBytes + payloadBytes;
      if ((opening === TEXT || opening === BINARY) && payloadBytes >= LETTER_WITHIN) {
        if (left < headerBytes + LETTER_WITHIN) break;
        const payload = at + headerBytes;
        if (this.#count(opening === TEXT ? textLetter(chunk, payload) : binaryLetter(chunk, payload))) {
          at += frameBytes;
          continue;
        }
      }
      if (frameBytes > MAX_KEPT_BYTES) return this.#events.broken("frame over the bound");
      if (left < frameBytes) break;
      this.#deliver(opening, chunk.subarray(at + headerBytes, at + frameBytes));
      at += frameBytes;
    }
    if (at < end) {
      this.#carry = chunk.slice(at);
      this.#skip = 0;
    } else {
      this.#skip = at - end;
    }
  }

  #count(letter: number): boolean {
    if (letter === LETTER_BROADCAST) this.broadcasts++;
    else if (letter === LETTER_ACKNOWLEDGEMENT) this.acknowledgements++;
    else if (letter === LETTER_PRESENCE || letter === LETTER_USER) this.presences++;
    else return false;
    return true;
  }

  #deliver(opening: number, payload: Uint8Array): void {
    if (opening === TEXT) this.#events.text(payload);
    else if (opening === BINARY) this.#events.binary(payload);
    else if (opening === PING) this.#events.ping(payload);
    else if (opening === CLOSE) {
      const code = payload.length < 2 ? 1005 : ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
      this.#events.closed(code);
    } else this.#events.broken("frame of an unexpected kind");
  }
}

function readLength64(chunk: Uint8Array, at: number): number {
  return Number(new DataView(chunk.buffer, chunk.byteOffset + at, 8).getBigUint64(0));
}
