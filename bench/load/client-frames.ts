/** What a client sends, prebuilt: the handshake (RFC 6455 section 4.1) and masked frames (section 5.3). */

const KEY = Buffer.from("tautline bench 1").toString("base64");
const MASK: readonly [number, number, number, number] = [0x5a, 0xc3, 0x17, 0x8e];
const ID_DIGITS = 8;
/** Bytes of JSON in one chat message, as in every row of the table. */
const CHAT_BYTES = 96;

const OPCODE_TEXT = 0x1;
const OPCODE_PONG = 0xa;

export function handshake(port: number, path: string, headers: readonly string[]): Uint8Array {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${KEY}`,
    ...headers,
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}

function maskByte(index: number): number {
  return MASK[index & 3] ?? 0;
}

function masked(opcode: number, payload: Uint8Array): Uint8Array {
  if (payload.length > 0xffff) throw new RangeError("a client frame of the benchmark has at most 65,535 bytes");
  const length =
    payload.length < 126 ? [payload.length | 0x80] : [126 | 0x80, payload.length >> 8, payload.length & 0xff];
  const header = [0x80 | opcode, ...length, ...MASK];
  const frame = new Uint8Array(header.length + payload.length);
  frame.set(header);
  for (let i = 0; i < payload.length; i++) frame[header.length + i] = (payload[i] ?? 0) ^ maskByte(i);
  return frame;
}

export function textFrame(text: string): Uint8Array {
  return masked(OPCODE_TEXT, Buffer.from(text));
}

export function pongFrame(payload: Uint8Array): Uint8Array {
  return masked(OPCODE_PONG, payload);
}

/** One `chat_message` of exactly 96 bytes, with a `messageId` so that the acknowledgement can be told. */
export function chatMessage(roomSlug: string, messageId: string): string {
  const build = (message: string): string => JSON.stringify({ type: "chat_message", roomSlug, messageId, message });
  const room = CHAT_BYTES - build("").length;
  if (room < 1) throw new RangeError("roomSlug and messageId leave no room for a message");
  return build("tautline ".repeat(CHAT_BYTES).slice(0, room));
}

export function messageIdOf(serial: number): string {
  return String(serial).padStart(ID_DIGITS, "0");
}

/**
 * As many chat messages as may be in flight, built once. Only the digits of the ids are written per send, through the mask,
 * so that no two messages have the same id and the generator builds nothing while it measures.
 */
export class ChatBatch {
  readonly #frames: Uint8Array;
  readonly #frameBytes: number;
  readonly #idAt: number;
  readonly #idMaskAt: number;
  #serial = 0;

  constructor(roomSlug: string, most: number) {
    const json = chatMessage(roomSlug, messageIdOf(0));
    const frame = textFrame(json);
    this.#frameBytes = frame.length;
    this.#idMaskAt = json.indexOf(messageIdOf(0));
    this.#idAt = frame.length - json.length + this.#idMaskAt;
    this.#frames = new Uint8Array(frame.length * most);
    for (let i = 0; i < most; i++) this.#frames.set(frame, i * frame.length);
  }

  /** The bytes of the next `count` messages: valid until the next call. */
  next(count: number): Uint8Array {
    for (let i = 0; i < count; i++) this.#writeId(i * this.#frameBytes + this.#idAt, ++this.#serial);
    return this.#frames.subarray(0, count * this.#frameBytes);
  }

  #writeId(at: number, serial: number): void {
    let rest = serial;
    for (let digit = ID_DIGITS - 1; digit >= 0; digit--) {
      this.#frames[at + digit] = (48 + (rest % 10)) ^ maskByte(this.#idMaskAt + digit);
      rest = Math.floor(rest / 10);
    }
  }
}
