/** All the ways in which MessagePack may write one value: a number in longer forms than it needs, as a float, and so on. */

type Form = Uint8Array;

const INTEGERS: readonly (readonly [first: number, bytes: number, least: number, most: number])[] = [
  [0xcc, 1, 0, 2 ** 8 - 1],
  [0xcd, 2, 0, 2 ** 16 - 1],
  [0xce, 4, 0, 2 ** 32 - 1],
  [0xcf, 8, 0, Number.MAX_SAFE_INTEGER],
  [0xd0, 1, -(2 ** 7), 2 ** 7 - 1],
  [0xd1, 2, -(2 ** 15), 2 ** 15 - 1],
  [0xd2, 4, -(2 ** 31), 2 ** 31 - 1],
  [0xd3, 8, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
];

export function formsOfNumber(value: number): Form[] {
  const forms: Form[] = [];
  if (Number.isInteger(value) && !Object.is(value, -0)) {
    if (value >= 0 && value < 0x80) forms.push(Uint8Array.of(value));
    if (value < 0 && value >= -0x20) forms.push(Uint8Array.of(0x100 + value));
    for (const [first, bytes, least, most] of INTEGERS) {
      if (value >= least && value <= most) forms.push(headed(first, bytes, BigInt(value)));
    }
  }
  const float = Buffer.alloc(9, 0xcb);
  float.writeDoubleBE(value, 1);
  forms.push(float);
  if (Object.is(Math.fround(value), value)) {
    const short = Buffer.alloc(5, 0xca);
    short.writeFloatBE(value, 1);
    forms.push(short);
  }
  return forms;
}

export function formsOfText(text: string): Form[] {
  const bytes = Buffer.from(text);
  return lengths(bytes.length, [0xa0, 32], [0xd9, 1], [0xda, 2], [0xdb, 4]).map((head) => Buffer.concat([head, bytes]));
}

/** `items` are encoded already. */
export function formsOfArray(items: readonly Form[]): Form[] {
  return lengths(items.length, [0x90, 16], [0xdc, 2], [0xdd, 4]).map((head) => Buffer.concat([head, ...items]));
}

/** `entries` are keys and values in turn, encoded already. */
export function formsOfMap(entries: readonly Form[]): Form[] {
  return lengths(entries.length / 2, [0x80, 16], [0xde, 2], [0xdf, 4]).map((head) => Buffer.concat([head, ...entries]));
}

/** The value with `choose` picking a form of each part of it. */
export function writeMessagePack(value: unknown, choose: (forms: readonly Form[]) => Form): Form {
  if (value === null) return Uint8Array.of(0xc0);
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xc3 : 0xc2);
  if (typeof value === "number") return choose(formsOfNumber(value));
  if (typeof value === "string") return choose(formsOfText(value));
  if (Array.isArray(value)) return choose(formsOfArray(value.map((item) => writeMessagePack(item, choose))));
  if (typeof value !== "object") throw new Error(`no MessagePack for ${typeof value}`);
  const entries = Object.entries(value).flat();
  return choose(formsOfMap(entries.map((part) => writeMessagePack(part, choose))));
}

/** The value as short as it can be written. */
export function shortest(value: unknown): Form {
  return writeMessagePack(value, (forms) => forms.toSorted((a, b) => a.length - b.length)[0] ?? new Uint8Array());
}

function lengths(
  length: number,
  [fixed, limit]: [number, number],
  ...longer: [first: number, bytes: number][]
): Form[] {
  const heads = longer
    .filter(([, bytes]) => length < 2 ** (8 * bytes))
    .map(([first, bytes]) => headed(first, bytes, BigInt(length)));
  return length < limit ? [Uint8Array.of(fixed + length), ...heads] : heads;
}

function headed(first: number, bytes: number, value: bigint): Form {
  const form = new Uint8Array(1 + bytes);
  form[0] = first;
  let rest = value;
  for (let at = bytes; at > 0; at -= 1) {
    form[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return form;
}
