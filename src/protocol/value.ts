import { ProtocolError } from "./codes.ts";

/** What a frame may hold, in either framing (docs/protocol.md, "Framing"): what both JSON and MessagePack can say. */
export const MAX_DEPTH = 32;
export const MAX_MAP_ENTRIES = 1_000;

/**
 * Throws BAD_MESSAGE unless the value is null, a boolean, a finite number (integers within ±(2^53−1)), a well-formed string,
 * an array, or a map with at most 1,000 well-formed string keys, none of them `__proto__`; at most 32 levels deep.
 */
export function checkValue(value: unknown, depth = 1): void {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new ProtocolError("BAD_MESSAGE");
      return;
    case "number":
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
        throw new ProtocolError("BAD_MESSAGE");
      }
      return;
    case "boolean":
      return;
    case "object":
      if (value === null) return;
      if (depth > MAX_DEPTH) throw new ProtocolError("BAD_MESSAGE");
      if (isMap(value)) {
        checkMap(value, depth);
      } else if (Array.isArray(value)) {
        for (const item of value) checkValue(item, depth + 1);
      }
      return;
    default:
      throw new ProtocolError("BAD_MESSAGE");
  }
}

/** A frame's objects have no enumerable keys but their own: they come from a decoder. */
function checkMap(map: Readonly<Record<string, unknown>>, depth: number): void {
  let entries = 0;
  for (const key in map) {
    entries += 1;
    if (entries > MAX_MAP_ENTRIES || key === "__proto__" || !key.isWellFormed()) throw new ProtocolError("BAD_MESSAGE");
    checkValue(map[key], depth + 1);
  }
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
