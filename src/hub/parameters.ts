import { ProtocolError } from "../protocol/codes.ts";
import { queryParameters } from "../protocol/query.ts";
import { isId } from "../protocol/topic.ts";
import type { FoundEndpoint, PathParameter } from "./endpoints.ts";

/** What a client calls its session and its character: it comes back in the greeting, and means nothing here. */
export interface Echo {
  readonly sessionId?: string;
  readonly characterId?: string;
}

/** What path and query of a handshake say, where its endpoint asks. */
export interface Parameters {
  /** Whose token it has to be; null where the path does not say. */
  readonly userId: string | null;
  /** What the endpoint brings. */
  readonly topics: readonly string[];
  readonly echo: Echo | null;
}

const NOTHING: Parameters = { userId: null, topics: [], echo: null };

/** Printable ASCII. */
const ECHOED = /^[ -~]{1,128}$/;

const isEchoed = (text: string): boolean => ECHOED.test(text);

const RULES: Readonly<Record<PathParameter, (text: string) => boolean>> = {
  user_id: isId,
  conversation_id: isId,
  player_id: isEchoed,
};

/** `query` is without its `?`. Throws BAD_REQUEST for what is malformed or given twice. */
export function readParameters({ endpoint, values }: FoundEndpoint, query: string): Parameters {
  const { parameters, topic, echoes } = endpoint;
  if (parameters.length === 0 && !echoes) return NOTHING;
  const given = new Map(parameters.map((name, index) => [name, readValue(name, values[index] ?? "")]));
  return {
    userId: given.get("user_id") ?? null,
    topics: topic === null ? [] : [filled(topic, given)],
    echo: echoes ? echoOf(query, given.get("player_id")) : null,
  };
}

/** Decoded once. */
function readValue(name: PathParameter, encoded: string): string {
  const value = decoded(encoded);
  if (!RULES[name](value)) throw new ProtocolError("BAD_REQUEST");
  return value;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ProtocolError("BAD_REQUEST");
  }
}

function filled(template: string, given: ReadonlyMap<PathParameter, string>): string {
  let text = template;
  for (const [name, value] of given) text = text.replace(`{${name}}`, () => value);
  return text;
}

function echoOf(query: string, playerId: string | undefined): Echo {
  const parameters = queryParameters(query);
  const find = (name: string): string | undefined => {
    const [value, ...others] = parameters.filter(([key]) => key === name).map(([, text]) => text);
    if (others.length > 0) throw new ProtocolError("BAD_REQUEST");
    // Clients that have none yet send an empty one.
    if (value === undefined || value === "") return undefined;
    if (!isEchoed(value)) throw new ProtocolError("BAD_REQUEST");
    return value;
  };
  const sessionId = find("session_id");
  // The player of the deprecated path is compared with nothing: where the query names a character, that one counts.
  const characterId = find("character_id") ?? playerId;
  return { ...(sessionId !== undefined && { sessionId }), ...(characterId !== undefined && { characterId }) };
}
