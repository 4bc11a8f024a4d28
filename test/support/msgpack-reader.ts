import { MAX_DEPTH, MAX_MAP_ENTRIES } from "../../src/protocol/value.ts";

/**
 * Another MessagePack decoder, written from the specification and not from the node: slow, recursive, and without mercy for whatever
 * the protocol does not have. It throws an `Error` for that.
 */
export function readMessagePack(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.isAtEnd) throw new Error("something behind the value");
  return value;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): unknown {
    const first = this.#unsigned(1);
    if (first < 0x80) return first;
    if (first < 0x90) return this.#map(first - 0x80, depth + 1);
    if (first < 0xa0) return this.#array(first - 0x90, depth + 1);
    if (first < 0xc0) return this.#text(first - 0xa0);
    if (first >= 0xe0) return first - 0x100;
    switch (first) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#take(4, (at) => this.#view.getFloat32(at));
      case 0xcb:
        return this.#take(8, (at) => this.#view.getFloat64(at));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (first - 0xcc));
      case 0xcf:
        return safe(this.#take(8, (at) => this.#view.getBigUint64(at)));
      case 0xd0:
        return this.#take(1, (at) => this.#view.getInt8(at));
      case 0xd1:
        return this.#take(2, (at) => this.#view.getInt16(at));
      case 0xd2:
        return this.#take(4, (at) => this.#view.getInt32(at));
      case 0xd3:
        return safe(this.#take(8, (at) => this.#view.getBigInt64(at)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (first - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (first - 0xdc)), depth + 1);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (first - 0xde)), depth + 1);
      default:
        throw new Error(`no value begins with ${first.toString(16)}`);
    }
  }

  #map(entries: number, depth: number): Record<string, unknown> {
    if (depth > MAX_DEPTH || entries > MAX_MAP_ENTRIES) throw new Error("too deep or too wide");
    const map: Record<string, unknown> = {};
    for (let entry = 0; entry < entries; entry += 1) {
      const key = this.value(depth);
      if (typeof key !== "string" || key === "__proto__") throw new Error("not a key");
      map[key] = this.value(depth);
    }
    return map;
  }

  #array(length: number, depth: number): unknown[] {
    if (depth > MAX_DEPTH || length > this.#bytes.length - this.#at) throw new Error("too deep or too long");
    const items: unknown[] = [];
    for (let index = 0; index < length; index += 1) items.push(this.value(depth));
    return items;
  }

  #text(length: number): string {
    return this.#take(length, (at) => utf8.decode(this.#bytes.subarray(at, at + length)));
  }

  #unsigned(bytes: number): number {
    return this.#take(bytes, (at) => {
      if (bytes === 1) return this.#view.getUint8(at);
      return bytes === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
    });
  }

  #take<T>(bytes: number, read: (at: number) => T): T {
    const at = this.#at;
    if (bytes > this.#bytes.length - at) throw new Error("cut off");
    this.#at += bytes;
    return read(at);
  }
}

function safe(value: bigint): number {
  if (!Number.isSafeInteger(Number(value)) || BigInt(Number(value)) !== value) throw new Error("not a safe integer");
  return Number(value);
}
