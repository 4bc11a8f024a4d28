import * as v from "valibot";
import { boundedBody } from "../auth/bounded-body.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { isMap } from "../protocol/value.ts";

const JSON_TYPE = /^application\/json[\t ]*(;|$)/i;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Throws `UNSUPPORTED_MEDIA_TYPE` for anything but JSON: a page of another origin can post forms and plain text without asking,
 * JSON it cannot.
 */
export function requireJson(request: Request): void {
  if (!JSON_TYPE.test(request.headers.get("content-type") ?? "")) throw new ProtocolError("UNSUPPORTED_MEDIA_TYPE");
}

/** The body, which is an object, as `schema` has it. Throws `MESSAGE_TOO_LARGE` over `maxBytes`, `BAD_REQUEST` for all else that is wrong with it. */
export async function jsonBody<T>(request: Request, schema: v.GenericSchema<unknown, T>, maxBytes: number): Promise<T> {
  const bytes = await readBytes(request, maxBytes);
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    throw new ProtocolError("BAD_REQUEST"); // without the parser's message: it quotes the body
  }
  // To a schema an array is an object without its fields.
  if (!isMap(value)) throw new ProtocolError("BAD_REQUEST");
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (!parsed.success) throw new ProtocolError("BAD_REQUEST");
  return parsed.output;
}

/** The declared length refuses early; the bytes that come are counted all the same. */
async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: maxBytes, actual: declared });
  const bytes = await boundedBody(request, maxBytes).catch((error: unknown) => {
    // A body that breaks off is the client's doing, not a failure of ours.
    throw new ProtocolError("BAD_REQUEST", {}, error);
  });
  if (bytes === null) throw new ProtocolError("MESSAGE_TOO_LARGE", { limit: maxBytes });
  return bytes;
}
