import { digestOf } from "./digest.ts";
import { KNOWN_SECRETS } from "./known-secrets.ts";

/** A key at least as long as the hash, RFC 7518 section 3.2. */
const MIN_BYTES: ReadonlyMap<string, number> = new Map([
  ["HS256", 32],
  ["HS384", 48],
  ["HS512", 64],
]);
const KNOWN_LENGTH = 11;
const MIN_DISTINCT_CHARACTERS = 8;

/** What people write where a secret should go. Long enough words that a random secret does not hold one by chance. */
const PLACEHOLDERS = [
  /change[-_ ]?(me|this|it|in|before)/i,
  /replace[-_ ]?(me|this|with|in)/i,
  /your[-_ ]|[-_ ]your/i,
  /(my|super|very|top|jwt|the|this[-_ ]is[-_ ]a)[-_ ]*(secret|secure|private)/i,
  /secret[-_ ]*(key|token|jwt|phrase|string|for)/i,
  /at[-_ ]least[-_ ]/i,
  /placeholder|example|insecure|password|default[-_ ]|[-_ ]default/i,
  /^[<[{(].*[>\]})]$/,
];

/**
 * Why the secret must not be used for these algorithms (empty: HS256), to be put behind the name of a setting; null when nothing speaks
 * against it. The text never holds the secret.
 */
export function weakness(secret: string, algorithms: readonly string[]): string | null {
  const minBytes = Math.max(32, ...algorithms.map((alg) => MIN_BYTES.get(alg) ?? 0));
  if (Buffer.byteLength(secret, "utf8") < minBytes) return `is shorter than ${minBytes} bytes`;
  if (KNOWN_SECRETS.has(digestOf(secret).slice(0, KNOWN_LENGTH))) return "is a published secret";
  if (PLACEHOLDERS.some((pattern) => pattern.test(secret))) return "is a placeholder";
  if (isPredictable(secret)) return "is predictable: use random characters";
  return null;
}

/** Few different characters, a repeated piece, or a run such as `abcdef…` or `987654…` over half of it. */
function isPredictable(secret: string): boolean {
  if (new Set(secret).size < MIN_DISTINCT_CHARACTERS) return true;
  // A text is made of repetitions exactly when it occurs in its own doubling before the end.
  if ((secret + secret).indexOf(secret, 1) < secret.length) return true;
  let steps = 0;
  for (let i = 1; i < secret.length; i++) {
    if (Math.abs(secret.charCodeAt(i) - secret.charCodeAt(i - 1)) <= 1) steps += 1;
  }
  return steps >= secret.length / 2;
}
