import { Packr } from "msgpackr";

/** How a client of the kit speaks. Its own decoding, so that what the node encodes is read by something else. */

export type FramingName = "json" | "msgpack";
export type Fields = Readonly<Record<string, unknown>>;

const packr = new Packr({ useRecords: false, int64AsType: "number" });

export function encoded(framing: FramingName, frame: Fields): string | Uint8Array {
  return framing === "json" ? JSON.stringify(frame) : new Uint8Array(packr.pack(frame));
}

export function decoded(data: string | Buffer): Fields {
  const value: unknown = typeof data === "string" ? JSON.parse(data) : packr.unpack(data);
  return fieldsOf(value);
}

export function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not an object");
  return { ...value };
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new Error(`${name} is not a text`);
  return value;
}

export function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number") throw new Error(`${name} is not a number`);
  return value;
}

export function listOf(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw new Error(`${name} is not a list`);
  return value.map((item: unknown) => fieldsOf(item));
}
