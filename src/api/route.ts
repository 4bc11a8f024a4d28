import * as v from "valibot";
import type { ClientAddress } from "../hub/address.ts";
import { type ErrorCode, ProtocolError } from "../protocol/codes.ts";
import { jsonBody, requireJson } from "./body.ts";
import { type Caller, type Callers, NOBODY } from "./callers.ts";

/** One HTTP route: what it takes and what it answers stands in one place, for the handler, the documentation and the tests alike. */

export interface Peer {
  /** Address of the TCP peer; "" on a Unix socket. */
  readonly address: string;
  /** Lifts the engine's own timeout for this request. */
  holdOpen(): void;
  /** It holds again, from now on. */
  letGo(): void;
}

/** Who may call: anybody, a user with a token, one with `system.monitor`, or the backend (API key, or a token with `system.publish`). */
export type Access = "open" | "user" | "monitor" | "api";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface Answer {
  readonly what: string;
  /** Null: no JSON. */
  readonly schema: v.GenericSchema | null;
}

interface About {
  readonly method: Method;
  /** Parameters in braces, as in OpenAPI: `/api/users/{id}/send`. */
  readonly path: string;
  readonly access: Access;
  /** One line for the documentation. */
  readonly summary: string;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Beside what every route with such a caller and such a body may answer (`standardErrors` in `openapi.ts`). */
  readonly errors?: readonly ErrorCode[];
}

interface Definition<P, Q, B> extends About {
  readonly params: v.GenericSchema<unknown, P>;
  readonly query: v.GenericSchema<unknown, Q>;
  /** Null: the route takes no body, or reads it as it comes. */
  readonly body: v.GenericSchema<unknown, B> | null;
  /** Media types of a body that is read as it comes. */
  readonly streams?: readonly string[];
  readonly handle: (call: Call<P, Q, B>) => Response | Promise<Response>;
}

/** One request to a route. */
export interface Call<P, Q, B> {
  readonly request: Request;
  readonly peer: Peer;
  readonly client: ClientAddress;
  readonly caller: Caller;
  readonly params: P;
  readonly query: Q;
  /** To be asked again by what takes long: throws when the caller would be turned away by now. */
  readonly requireStanding: () => void;
  /** Reads the body. Rejects UNSUPPORTED_MEDIA_TYPE, MESSAGE_TOO_LARGE, BAD_REQUEST, and as `requireStanding`. */
  readonly body: () => Promise<B>;
}

/** A request whose route is known, and who makes it. */
export interface Incoming {
  readonly request: Request;
  readonly peer: Peer;
  readonly client: ClientAddress;
  readonly caller: Caller;
  readonly requireStanding: () => void;
}

export interface Route extends About {
  readonly params: v.GenericSchema;
  readonly query: v.GenericSchema;
  readonly body: v.GenericSchema | null;
  readonly streams?: readonly string[];
  /** Throws or rejects `ProtocolError`. */
  readonly answer: (incoming: Incoming) => Response | Promise<Response>;
}

const MAX_BODY_BYTES = 65_536;

/** Of a route without parameters, or without a query. */
export const NOTHING = v.object({});

export function route<P, Q, B>(definition: Definition<P, Q, B>): Route {
  const { params, query, body, path, handle } = definition;
  return {
    ...definition,
    answer(incoming) {
      const url = new URL(incoming.request.url);
      return handle({
        ...incoming,
        params: parsed(params, pathParameters(path, url.pathname)),
        query: parsed(query, queryOf(url)),
        async body() {
          if (body === null) throw new Error("a route without a body asked for it");
          requireJson(incoming.request);
          const read = await jsonBody(incoming.request, body, MAX_BODY_BYTES);
          // A body may take as long as its sender likes to.
          incoming.requireStanding();
          return read;
        },
      });
    },
  };
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw new ProtocolError("BAD_REQUEST");
  return result.output;
}

/** Each decoded once; bad encoding is BAD_REQUEST. */
function pathParameters(template: string, pathname: string): Record<string, string> {
  const given = pathname.split("/");
  const found: [string, string][] = [];
  for (const [index, segment] of template.split("/").entries()) {
    const [, name] = /^\{(.+)\}$/.exec(segment) ?? [];
    if (name !== undefined) found.push([name, decoded(given[index] ?? "")]);
  }
  return Object.fromEntries(found);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ProtocolError("BAD_REQUEST");
  }
}

/** A parameter that comes twice is BAD_REQUEST: programs differ in which one counts. */
function queryOf(url: URL): Record<string, string> {
  const entries = [...url.searchParams];
  if (new Set(entries.map(([name]) => name)).size < entries.length) throw new ProtocolError("BAD_REQUEST");
  return Object.fromEntries(entries);
}

/** How a call ended. */
export interface Outcome {
  readonly code: ErrorCode | "OK";
  /** Nobody where that was not found out. */
  readonly caller: Caller;
}

/** Who calls is found out before anything of the request is read. `told` hears how it ended, once. */
export async function answerRoute(
  { access, method, answer }: Route,
  callers: Callers,
  incoming: Omit<Incoming, "caller" | "requireStanding">,
  told: (outcome: Outcome) => void,
): Promise<Response> {
  let caller: Caller = NOBODY;
  try {
    caller = await callers.identify(incoming.request, incoming.client, access, method !== "GET");
    callers.requirePermission(caller, access);
    const known = caller;
    const requireStanding = (): void => callers.requireStanding(known, access);
    const response = await answer({ ...incoming, caller, requireStanding });
    told({ code: "OK", caller });
    return response;
  } catch (error) {
    told({ code: error instanceof ProtocolError ? error.code : "INTERNAL", caller });
    throw error;
  }
}
