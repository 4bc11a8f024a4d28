/** WebSocket frames as bytes (RFC 6455 section 5.2), also ones that no client should send. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface ReceivedFrame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface FrameToSend {
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  readonly fin?: boolean;
  /** Bits RSV1 (4), RSV2 (2), RSV3 (1). */
  readonly rsv?: number;
  /** False sends the frame unmasked, which RFC 6455 section 5.1 forbids to a client. */
  readonly mask?: boolean;
  /** The length that the header claims, when it is not the payload's. */
  readonly declaredLength?: number | bigint;
  /** Bytes of the extended length: to send a length in a longer form than it needs. */
  readonly lengthBytes?: 0 | 2 | 8;
}

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
export function encodeFrame(frame: FrameToSend): Buffer {
  const payload = Buffer.from(frame.payload ?? "");
  const length = BigInt(frame.declaredLength ?? payload.length);
  const lengthBytes = frame.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const masked = frame.mask ?? true;
  const header = Buffer.alloc(2 + lengthBytes);
  header[0] = ((frame.fin ?? true) ? 0x80 : 0) | ((frame.rsv ?? 0) << 4) | frame.opcode;
  header[1] = (masked ? 0x80 : 0) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) header.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 8) header.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([header, payload]);
  const body = Buffer.from(payload);
  for (let i = 0; i < body.length; i++) body[i] = (body[i] ?? 0) ^ (MASK[i & 3] ?? 0);
  return Buffer.concat([header, MASK, body]);
}

/** One frame from the start of `input`; null when it is not complete. Throws for what a server must not send. */
export function parseFrame(input: Buffer): { frame: ReceivedFrame; length: number } | null {
  if (input.length < 2) return null;
  const first = input.readUInt8(0);
  const second = input.readUInt8(1);
  if ((first & 0x70) !== 0) throw new Error("the server set a reserved bit");
  if ((second & 0x80) !== 0) throw new Error("the server masked a frame");
  const short = second & 0x7f;
  const headerLength = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (input.length < headerLength) return null;
  const length = short === 126 ? input.readUInt16BE(2) : short === 127 ? Number(input.readBigUInt64BE(2)) : short;
  const end = headerLength + length;
  if (input.length < end) return null;
  const frame = { fin: (first & 0x80) !== 0, opcode: first & 0x0f, payload: input.subarray(headerLength, end) };
  return { frame, length: end };
}
