/** What one line of a log may look like: no character that a terminal or a line reader acts on, no field without a bound. */

export const MAX_FIELD_CHARS = 1024;

// JSON leaves these as they are: DEL, C1 (0x9b starts a terminal sequence), the line separators of Unicode, bidirectional overrides.
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const EVERY_UNSAFE = new RegExp(UNSAFE, "g");

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Escapes what `JSON.stringify` does not. In JSON text these characters stand only inside strings, so the value stays the same. */
export function escapeLine(json: string): string {
  return UNSAFE.test(json) ? json.replace(EVERY_UNSAFE, unicodeEscape) : json;
}

/** Text of at most `maxChars` UTF-16 units, never cut inside a character; what was cut is marked `…[+n]`. */
export function bounded(text: string, maxChars = MAX_FIELD_CHARS): string {
  if (text.length <= maxChars) return text;
  const last = text.charCodeAt(maxChars - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars;
  return `${text.slice(0, end)}…[+${text.length - end}]`;
}
