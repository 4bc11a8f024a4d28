import type { ConnectOptions } from "./options.ts";

export interface Address {
  readonly url: string;
  readonly protocols: string[];
  /** The first frame, where the token goes by it; else empty. */
  readonly auth: string;
}

/** What is asked before every attempt, with a promise in any case. */
export async function secretOf({ token, ticket }: ConnectOptions): Promise<string> {
  const secret: unknown = await (ticket ?? (typeof token === "function" ? token : () => token))();
  // Whoever forgot to return something would else be told that "undefined" is no good token.
  if (typeof secret !== "string" || secret === "") throw new TypeError("no token");
  return secret;
}

/** Where one attempt goes, and what it shows. */
export function addressOf(base: URL, { auth, ticket }: ConnectOptions, subprotocol: string, secret: string): Address {
  const url = new URL(base);
  const parameter = ticket ? "ticket" : auth === "query" && "token";
  if (parameter) url.searchParams.set(parameter, secret);
  const isFrame = !parameter && auth === "first-message";
  return {
    url: url.href,
    protocols: parameter || isFrame ? [subprotocol] : [subprotocol, "auth", secret],
    auth: isFrame ? JSON.stringify({ type: "auth", token: secret }) : "",
  };
}
