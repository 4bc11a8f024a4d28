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
      if (Array.isArray(value)) {
        for (const item of value) checkValue(item, depth + 1);
      } else {
        checkMap(value, depth);
      }
      return;
    default:
      throw new ProtocolError("BAD_MESSAGE");
  }
}

function checkMap(map: object, depth: number): void {
  let entries = 0;
  for (const [key, item] of Object.entries(map)) {
    entries += 1;
    if (entries > MAX_MAP_ENTRIES || key === "__proto__" || !key.isWellFormed()) throw new ProtocolError("BAD_MESSAGE");
    checkValue(item, depth + 1);
  }
}
