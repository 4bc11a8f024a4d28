import type * as v from "valibot";
import { safeParse } from "valibot";

/** What stands in a key may have been written by anybody: null when it is not JSON of that shape. */
export function decodedJson<T extends v.GenericSchema>(schema: T, text: string): v.InferOutput<T> | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = safeParse(schema, value, { abortEarly: true });
  return parsed.success ? parsed.output : null;
}
