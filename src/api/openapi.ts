import type { JsonSchema } from "@valibot/to-json-schema";
import { ERRORS, type ErrorCode } from "../protocol/codes.ts";
import { ErrorBody } from "./errors.ts";
import { sentSchema, takenSchema } from "./json-schema.ts";
import type { Access, Answer, Route } from "./route.ts";

/** The HTTP API as OpenAPI 3.1, made of the routes that there are. */

type Fields = Readonly<Record<string, unknown>>;

const DIALECT = "draft-2020-12";
const ERROR_SCHEMA = "#/components/schemas/Error";

const DESCRIPTION = `The HTTP routes of a Tautline realtime node. The WebSocket side is described by /asyncapi.json.

Bodies are JSON of at most 64 KiB. Answers may get more fields in any version.`;

/** Any one of them will do. */
const SECURITY: Readonly<Record<Access, readonly Fields[]>> = {
  open: [],
  user: [{ bearer: [] }, { cookie: [] }],
  monitor: [{ apiKey: [] }, { bearer: [] }, { cookie: [] }],
  api: [{ apiKey: [] }, { bearer: [] }],
};

const CALLERS: Readonly<Record<Access, string>> = {
  open: "Anybody may call it.",
  user: "Every user may call it.",
  monitor:
    "For tokens with the permission `system.monitor`, and for the API key as `X-API-Key` or `Authorization: Bearer`.",
  api: "For the API key, as `X-API-Key` or `Authorization: Bearer`, and for tokens with the permission `system.publish`.",
};

const SCHEMES = {
  apiKey: { type: "apiKey", in: "header", name: "X-API-Key", description: "The API_KEY of the node." },
  bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
  cookie: {
    type: "apiKey",
    in: "cookie",
    name: "access_token",
    description:
      "A JWT; the setting COOKIE_NAME may name another cookie. Where something is changed, `Origin` must be allowed.",
  },
};

export function openapiDocument(routes: readonly Route[], version: string): Fields {
  const paths: Record<string, Record<string, Fields>> = {};
  for (const route of routes)
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  return {
    openapi: "3.1.0",
    info: { title: "Tautline", version, description: DESCRIPTION, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    paths,
    components: { schemas: { Error: sentSchema(ErrorBody, DIALECT) }, securitySchemes: schemesOf(routes) },
  };
}

function schemesOf(routes: readonly Route[]): Fields {
  const used = new Set(routes.flatMap(({ access }) => SECURITY[access].flatMap((way) => Object.keys(way))));
  return Object.fromEntries(Object.entries(SCHEMES).filter(([name]) => used.has(name)));
}

function operation(route: Route): Fields {
  const { access, summary, body, streams } = route;
  const parameters = parametersOf(route);
  const responses = { ...answersOf(route.answers), ...errorsOf([...standardErrors(route), ...(route.errors ?? [])]) };
  const media = body === null ? (streams ?? []) : ["application/json"];
  const schema = body === null ? { type: "string" } : takenSchema(body, DIALECT);
  const content = Object.fromEntries(media.map((type) => [type, { schema }]));
  return {
    operationId: operationId(route),
    summary,
    description: CALLERS[access],
    security: SECURITY[access],
    ...(parameters.length > 0 && { parameters }),
    ...(media.length > 0 && { requestBody: { required: true, content } }),
    responses,
  };
}

/** `POST /api/users/{id}/send` → `postApiUsersIdSend`. */
function operationId({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function parametersOf({ path, params, query }: Route): Fields[] {
  const { properties: known = {} } = takenSchema(params, DIALECT);
  const { properties: asked = {}, required = [] } = takenSchema(query, DIALECT);
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => {
    return { name, in: "path", required: true, schema: known[name] ?? { type: "string" } };
  });
  const inQuery = Object.entries(asked).map(([name, schema]) => {
    return { name, in: "query", required: required.includes(name), schema };
  });
  return [...inPath, ...inQuery];
}

function answersOf(answers: Readonly<Record<number, Answer>>): Record<string, Fields> {
  const described = Object.entries(answers).map(([status, { what, schema }]): [string, Fields] => {
    if (status === "204") return [status, { description: what }];
    const content =
      schema === null ? { "text/plain": { schema: { type: "string" } } } : json(sentSchema(schema, DIALECT));
    return [status, { description: what, content }];
  });
  return Object.fromEntries(described);
}

/** What a route may answer by its kind; its own errors come on top. */
export function standardErrors({ access, body, streams }: Pick<Route, "access" | "body" | "streams">): ErrorCode[] {
  const codes: ErrorCode[] = ["BAD_REQUEST", "INTERNAL"];
  if (body !== null || streams !== undefined) codes.push("UNSUPPORTED_MEDIA_TYPE", "MESSAGE_TOO_LARGE");
  if (access === "open") return codes;
  codes.push("AUTH_REQUIRED", "AUTH_FAILED", "TOKEN_EXPIRED", "FORBIDDEN", "RATE_LIMITED", "UNAVAILABLE");
  if (access !== "api") codes.push("ORIGIN_FORBIDDEN");
  return codes;
}

/** One response for each status, with the codes that it may have. */
function errorsOf(codes: readonly ErrorCode[]): Record<string, Fields> {
  const byStatus = new Map<string, Set<ErrorCode>>();
  for (const code of codes) {
    const { status } = ERRORS[code];
    const key = String(status === 0 ? 500 : status);
    byStatus.set(key, (byStatus.get(key) ?? new Set()).add(code));
  }
  return Object.fromEntries([...byStatus].map(([status, known]) => [status, errorAnswer([...known])]));
}

function errorAnswer(codes: readonly ErrorCode[]): Fields {
  const canRetry = codes.some((code) => ERRORS[code].retry === "later");
  const header = { "Retry-After": { description: "Seconds", schema: { type: "integer" } } };
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].text}`).join("; "),
    ...(canRetry && { headers: header }),
    content: json({ allOf: [{ $ref: ERROR_SCHEMA }, { properties: { code: { enum: [...codes] } } }] }),
  };
}

function json(schema: JsonSchema): Fields {
  return { "application/json": { schema } };
}
