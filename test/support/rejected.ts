import { expect } from "bun:test";
import { ERRORS, type ErrorCode } from "../../src/protocol/codes.ts";
import type { HttpResponse, RawPeer } from "./peer.ts";

/** What no answer to a stranger may hold: a stack, a path of ours, the name or version of a program. */
const TELLTALE = /\n\s+at |\.ts\b|\/src\/|node_modules|\bBun\b|bun\/|hono/i;

/**
 * One answer with one of the statuses that closes the connection and gives nothing away; whatever was behind the request is never answered.
 * `secrets` are what the request held.
 */
export async function expectRejected(
  peer: RawPeer,
  statuses: readonly number[],
  secrets: readonly string[] = [],
): Promise<HttpResponse> {
  await peer.ended(5_000);
  const [response, ...others] = peer.responses();
  if (response === undefined) throw new Error("the connection ended without an answer");
  expect(others).toEqual([]);
  expect(statuses).toContain(response.status);
  expect(response.headers.get("connection")).toEqual(["close"]);
  expect([response.headers.has("server"), response.headers.has("x-powered-by")]).toEqual([false, false]);
  const said = JSON.stringify([...response.headers]) + response.body;
  expect(said).not.toMatch(TELLTALE);
  for (const secret of secrets) expect(said).not.toContain(secret);
  return response;
}

/** The code in the JSON body of an answer, which must be one of ours. */
export function codeOf(response: HttpResponse): ErrorCode {
  const code: unknown = JSON.parse(response.body).code;
  const known = Object.keys(ERRORS).find((name): name is ErrorCode => name === code);
  if (known === undefined) throw new Error(`no error code: ${response.body}`);
  return known;
}
