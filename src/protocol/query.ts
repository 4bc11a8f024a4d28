/** Form-urlencoded queries (WHATWG URL, section 5.1), without the cost of a URLSearchParams where nothing is encoded. */

const ENCODED = /[%+]/;
const NONE: readonly QueryParameter[] = [];

export type QueryParameter = readonly [name: string, value: string];

/** Names and values in their order, decoded once; a name may come several times. `query` is without its `?`. */
export function queryParameters(query: string): readonly QueryParameter[] {
  if (query === "") return NONE;
  // A leading `&` changes nothing, but a leading `?` would be cut off.
  if (ENCODED.test(query)) return [...new URLSearchParams(`&${query}`)];
  const parameters: QueryParameter[] = [];
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    parameters.push(equals === -1 ? [part, ""] : [part.slice(0, equals), part.slice(equals + 1)]);
  }
  return parameters;
}

/** The first value of the name; null when it is not there. */
export function queryValue(parameters: readonly QueryParameter[], name: string): string | null {
  for (const [key, value] of parameters) {
    if (key === name) return value;
  }
  return null;
}
