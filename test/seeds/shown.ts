/** Holds what arrived against what a document shows: the same names, the same kinds of value; more is allowed, never less. */

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "fraction";
  return typeof value;
}

function entriesOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
}

/** Each difference as `path: what is wrong`; none when the received value can stand wherever the shown one does. */
export function differences(shown: unknown, received: unknown, path = "$"): string[] {
  if (kindOf(shown) !== kindOf(received)) return [`${path}: ${kindOf(received)} instead of ${kindOf(shown)}`];
  const fields = entriesOf(received);
  return [...entriesOf(shown)].flatMap(([name, value]) =>
    fields.has(name) ? differences(value, fields.get(name), `${path}.${name}`) : [`${path}.${name}: missing`],
  );
}
