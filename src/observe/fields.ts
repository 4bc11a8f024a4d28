import { bounded } from "./line.ts";
import { REDACTED, isSecretName, scrub } from "./redact.ts";

/** Turns whatever code hands to the log into plain, bounded data without secrets. */

const MAX_DEPTH = 4;
const MAX_ITEMS = 32;
const MAX_VALUES = 64;
const MAX_FRAMES = 20;
const MAX_FRAME_CHARS = 256;
const MAX_NAME_CHARS = 64;

/** Names the line itself owns: a field that has one would stand twice in the line and win over the real one. */
const OWN_NAMES: ReadonlySet<string> = new Set(["level", "time", "nodeId", "msg", "pid", "hostname", "__proto__"]);

interface Budget {
  values: number;
}

function textOf(input: unknown): string {
  return bounded(scrub(String(input)));
}

function framesOf(error: Error): string[] {
  const lines = (error.stack ?? "").split("\n", 100);
  return lines
    .filter((line) => /^\s*at /.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => bounded(scrub(line.trim()), MAX_FRAME_CHARS));
}

/**
 * A `ProtocolError` is a constant: name, code and message say it all. Of any other error the message and the frames of the stack are
 * kept, scrubbed; a `SyntaxError` quotes the text it could not parse, which is a client's, so its message is left out.
 */
function describeError(error: Error, depth: number, budget: Budget): Record<string, unknown> {
  const described: Record<string, unknown> = { name: bounded(error.name, MAX_NAME_CHARS) };
  if ("code" in error && typeof error.code === "string") described["code"] = bounded(error.code, MAX_NAME_CHARS);
  if (!(error instanceof SyntaxError)) described["message"] = textOf(error.message);
  if (error.name !== "ProtocolError") described["stack"] = framesOf(error);
  if (error.cause !== undefined) described["cause"] = loggableValue(error.cause, depth + 1, budget);
  return described;
}

function loggableObject(input: object, depth: number, budget: Budget): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  let items = 0;
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined || typeof value === "function" || typeof value === "symbol") continue;
    if (++items > MAX_ITEMS || budget.values <= 0) {
      copy["truncated"] = true;
      break;
    }
    const owned = name === "__proto__" || (depth === 0 && OWN_NAMES.has(name));
    const safeName = bounded(scrub(owned ? `_${name}` : name), MAX_NAME_CHARS);
    const secret = isSecretName(name) && value !== null && typeof value !== "boolean";
    copy[safeName] = secret ? REDACTED : loggableValue(value, depth + 1, budget);
  }
  return copy;
}

function isPlain(input: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(input);
  return prototype === Object.prototype || prototype === null;
}

function loggableValue(input: unknown, depth: number, budget: Budget): unknown {
  budget.values -= 1;
  if (typeof input === "string") return textOf(input);
  if (typeof input === "number") return Number.isFinite(input) ? input : String(input);
  if (typeof input === "bigint") return bounded(String(input), MAX_NAME_CHARS);
  if (typeof input === "function" || typeof input === "symbol") return `[${typeof input}]`;
  if (typeof input !== "object" || input === null) return input;
  if (depth > MAX_DEPTH) return "[deep]";
  if (input instanceof Error) return describeError(input, depth, budget);
  if (input instanceof URL) return textOf(input.href);
  if (Array.isArray(input)) {
    return input
      .slice(0, MAX_ITEMS)
      .map((item: unknown) => (budget.values > 0 ? loggableValue(item, depth + 1, budget) : "[truncated]"));
  }
  return isPlain(input) ? loggableObject(input, depth, budget) : "[object]";
}

/** A copy that is safe to write: plain values, 64 at most, secrets redacted by name and by shape, every text bounded. */
export function loggable(fields: object): Record<string, unknown> {
  return loggableObject(fields, 0, { values: MAX_VALUES });
}
