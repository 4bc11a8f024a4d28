import { bounded } from "./line.ts";

/** Keeps secrets out of every line: by the name of a field, and by what a secret looks like inside free text. */

export const REDACTED = "[redacted]";

const SECRET_NAME =
  /(?:token|ticket|jwt|password|passwd|passphrase|secret|authorization|cookie|apikey|privatekey|credential|secwebsocketprotocol|query|querystring|search)s?$/;

/** True for `token`, `JWT_SECRET`, `Sec-WebSocket-Protocol`, `apiKey`, `query`: fields whose value is never written. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.toLowerCase().replace(/[^a-z]/g, ""));
}

// A token may be cut, so its start is enough: a JWT header is `{"` or `{ ` in base64url. The lookbehind keeps the search linear.
const TOKEN = /(?<![\w-])(?:e[wy][\w-]{8,}(?:\.[\w-]*){0,2}|[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,})/g;
const TOKEN_START = /e[wy]/;
const HEADER = /(cookie|authorization)(["']?\s*[:=])[^\r\n]*/gi;
const SCHEME = /\b(Bearer|Basic)\s+[^\s"',]+/gi;
const ASSIGNED = /(token|ticket|password|passwd|secret|api[-_]?key)(["']?\s*[:=]\s*["']?)[^\s"'&,;}]+/gi;
const QUERY = /\?[^\s"'`<>()]+/g;
const MAX_SCRUBBED_CHARS = 8192;

/** Passwords may hold any character, `/` and `@` too: everything between the scheme and the last `@` of the word goes. */
function withoutUserinfo(word: string): string {
  const start = word.indexOf("://");
  const end = word.lastIndexOf("@");
  return start === -1 || end < start ? word : `${word.slice(0, start + 3)}${REDACTED}${word.slice(end)}`;
}

/** Removes JWTs, also broken or cut ones. For values, not for JSON text: there a match may begin inside of an escape. Cheap when there is none. */
export function scrubTokens(text: string): string {
  return TOKEN_START.test(text) ? text.replace(TOKEN, REDACTED) : text;
}

/** Free text without JWTs, credentials of headers and URLs, assigned secrets and query strings. */
export function scrub(text: string): string {
  let safe = text.length > MAX_SCRUBBED_CHARS ? text.slice(0, MAX_SCRUBBED_CHARS) : text;
  if (safe.includes("://") && safe.includes("@")) safe = safe.replace(/\S+/g, withoutUserinfo);
  return safe
    .replace(HEADER, `$1$2 ${REDACTED}`)
    .replace(SCHEME, `$1 ${REDACTED}`)
    .replace(ASSIGNED, `$1$2${REDACTED}`)
    .replace(QUERY, `?${REDACTED}`)
    .replace(TOKEN, REDACTED);
}

/** The path of a request target. A client that encodes its `?` must not get its query into a log either. */
export function pathOnly(target: string): string {
  const end = target.search(/[?#]|%3f|%23/i);
  return bounded(end === -1 ? target : target.slice(0, end));
}
