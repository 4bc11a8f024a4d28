import { readFileSync } from "node:fs";
import * as v from "valibot";
import { asyncapiDocument } from "./asyncapi.ts";
import { openapiDocument } from "./openapi.ts";
import { NOTHING, type Route, route } from "./route.ts";

/** The contracts as files: `GET /openapi.json` and `GET /asyncapi.json`. Both are built when they are first asked for. */

const Manifest = v.object({ version: v.string() });

/** `routes` are all there are, these two included. */
export function documentRoutes(routes: () => readonly Route[]): Route[] {
  const ROW = { method: "GET", access: "open", params: NOTHING, query: v.unknown(), body: null } as const;
  const openapi = kept(() => openapiDocument(routes(), version()));
  const asyncapi = kept(() => asyncapiDocument(version()));
  return [
    route({
      ...ROW,
      path: "/openapi.json",
      summary: "The HTTP routes of this node as OpenAPI 3.1.",
      answers: { 200: { what: "the document", schema: v.looseObject({ openapi: v.string() }) } },
      handle: () => answer(openapi()),
    }),
    route({
      ...ROW,
      path: "/asyncapi.json",
      summary: "The WebSocket protocol of this node as AsyncAPI 3.0.",
      answers: { 200: { what: "the document", schema: v.looseObject({ asyncapi: v.string() }) } },
      handle: () => answer(asyncapi()),
    }),
  ];
}

function version(): string {
  return v.parse(Manifest, JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))).version;
}

/** The text of a document, built once. */
function kept(build: () => object): () => string {
  let text: string | null = null;
  return () => (text ??= JSON.stringify(build()));
}

function answer(text: string): Response {
  return new Response(text, { headers: { "Content-Type": "application/json" } });
}
