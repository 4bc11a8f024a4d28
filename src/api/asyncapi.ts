import * as v from "valibot";
import { type Endpoint, ENDPOINTS, type RefusesBy } from "../hub/endpoints.ts";
import type { Codec } from "../protocol/codec.ts";
import { CLOSES, ERRORS, type ErrorCode } from "../protocol/codes.ts";
import { jsonCodec } from "../protocol/json.ts";
import { msgpackCodec } from "../protocol/msgpack.ts";
import { SUBPROTOCOLS } from "../protocol/subprotocol.ts";
import {
  CLIENT_MESSAGES,
  describedMessage,
  type Message,
  payloadOf,
  reference,
  SERVER_MESSAGES,
} from "./asyncapi-messages.ts";
import { takenSchema } from "./json-schema.ts";

/** The WebSocket protocol as AsyncAPI 3.0: an endpoint is a channel, a frame type is a message, seen from the node. */

type Fields = Readonly<Record<string, unknown>>;

const DESCRIPTION = `Realtime WebSocket node: one object per WebSocket message, JSON in text frames or MessagePack in binary frames, which
say the same field by field (\`x-framings\`). \`receive\` is what the node takes, \`send\` is what it sends. Clients must ignore fields and
frame types that they do not know. Error codes and close codes are in \`x-errors\` and \`x-closes\`. docs/protocol.md explains all of it.`;

const FRAMINGS = {
  "application/json": { websocketFrame: "text", ...namesOf(jsonCodec) },
  "application/msgpack": { websocketFrame: "binary", ...namesOf(msgpackCodec) },
};

function namesOf(codec: Codec): Fields {
  return {
    format: codec.name,
    subprotocols: [...SUBPROTOCOLS].filter(([, its]) => its === codec).map(([name]) => name),
  };
}

const Query = v.object({
  token: v.exactOptional(v.pipe(v.string(), v.description("A JWT, unless TOKEN_IN_QUERY is false"))),
  ticket: v.exactOptional(v.pipe(v.string(), v.description("A one-time ticket instead of a token"))),
  format: v.exactOptional(
    v.pipe(
      v.picklist([jsonCodec.name, msgpackCodec.name]),
      v.description("The framing, where no subprotocol names it"),
    ),
  ),
  heartbeat: v.exactOptional(
    v.pipe(v.literal("message"), v.description("Pings come as frames instead of native ones")),
  ),
});

const Echoed = v.pipe(v.string(), v.regex(/^[ -~]{0,128}$/));
/** Of the endpoints that repeat in their greeting what a client calls itself. */
const EchoQuery = v.object({
  ...Query.entries,
  session_id: v.exactOptional(Echoed),
  character_id: v.exactOptional(Echoed),
});

/** How an endpoint tells what is wrong with a credential. */
const REFUSALS: Readonly<Record<RefusesBy, string>> = {
  status: "A bad credential is answered by an HTTP status instead of the upgrade.",
  close: "A bad credential is answered by a close code right behind the upgrade.",
  frame: "A bad credential is answered by `auth_error` and a close code behind the upgrade.",
};

const SCHEMES = {
  bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
  subprotocol: {
    type: "httpApiKey",
    in: "header",
    name: "Sec-WebSocket-Protocol",
    description: "The names `auth` and the JWT, one behind the other, anywhere in the list.",
  },
  ticket: { type: "httpApiKey", in: "query", name: "ticket", description: "A one-time ticket." },
  query: { type: "httpApiKey", in: "query", name: "token", description: "A JWT, unless TOKEN_IN_QUERY is false." },
  cookie: {
    type: "httpApiKey",
    in: "cookie",
    name: "access_token",
    description: "A JWT; the setting COOKIE_NAME may name another cookie. `Origin` must be allowed.",
  },
  frame: {
    type: "apiKey",
    in: "password",
    description: "No credential with the upgrade: the first frame is `auth` with the JWT.",
  },
};

export function asyncapiDocument(version: string): Fields {
  const messages = [...CLIENT_MESSAGES, ...SERVER_MESSAGES];
  return {
    asyncapi: "3.0.0",
    info: {
      ...{ title: "Tautline", version, description: DESCRIPTION },
      license: { name: "MIT", url: "https://opensource.org/license/mit" },
    },
    defaultContentType: "application/json",
    servers: { plain: server("ws", "The node itself."), tls: server("wss", "Behind a proxy that terminates TLS.") },
    channels: Object.fromEntries(ENDPOINTS.map((endpoint) => [channelKey(endpoint), channel(endpoint)])),
    operations: Object.fromEntries(ENDPOINTS.flatMap(operations)),
    components: {
      schemas: Object.fromEntries(messages.map((each) => [each.key, payloadOf(each)])),
      messages: Object.fromEntries(messages.map((each) => [each.key, describedMessage(each)])),
      securitySchemes: SCHEMES,
    },
    "x-framings": FRAMINGS,
    "x-errors": Object.entries(ERRORS).map(([code, row]) => error(code, row)),
    "x-closes": Object.entries(CLOSES).map(([code, row]) => ({ code: Number(code), ...row })),
  };
}

/** Without the ways that an error never goes. */
function error(code: string, { text, status, close, retry }: (typeof ERRORS)[ErrorCode]): Fields {
  return { code, text, ...(status !== 0 && { status }), ...(close !== 0 && { close }), retry };
}

function server(protocol: string, description: string): Fields {
  const host = { default: "localhost:8080", description: "Host and port." };
  return { host: "{host}", protocol, description, variables: { host } };
}

/** `/ws/conversation/{id}` → `ws_conversation_id`. */
function channelKey({ path }: Endpoint): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return words.length === 0 ? "root" : words.join("_");
}

function channel(endpoint: Endpoint): Fields {
  const { path, refusesBy, topic, permission, echoes, deprecation, parameters } = endpoint;
  const messages = [...CLIENT_MESSAGES, ...sentOn(endpoint)].map(({ key }) => [
    key,
    reference("components/messages", key),
  ]);
  const facts = [
    ...(deprecation === null ? [] : ["Deprecated."]),
    REFUSALS[refusesBy],
    ...(topic === null ? [] : [`A connection is in the topic \`${topic}\` from its start.`]),
    ...(permission === null ? [] : [`It takes the permission \`${permission}\`.`]),
  ];
  const query = takenSchema(echoes ? EchoQuery : Query, "draft-07");
  return {
    address: path,
    description: facts.join(" "),
    messages: Object.fromEntries(messages),
    ...(parameters.length > 0 && { parameters: Object.fromEntries(parameters.map((name) => [name, {}])) }),
    bindings: { ws: { method: "GET", query, bindingVersion: "0.1.0" } },
  };
}

function sentOn({ greeting, refusesBy }: Endpoint): readonly Message[] {
  const never = new Set([
    ...(greeting === "connected" ? [] : ["connected"]),
    ...(refusesBy === "frame" ? [] : ["auth_error"]),
  ]);
  return SERVER_MESSAGES.filter(({ type }) => !never.has(type));
}

function operations(endpoint: Endpoint): [string, Fields][] {
  const key = channelKey(endpoint);
  const { readsCookies, authenticatesByFrame } = endpoint;
  const ways = [
    "bearer",
    "subprotocol",
    "ticket",
    "query",
    ...(readsCookies ? ["cookie"] : []),
    ...(authenticatesByFrame ? ["frame"] : []),
  ];
  const operation = (action: "receive" | "send", messages: readonly Message[]): [string, Fields] => [
    `${key}_${action}`,
    {
      action,
      channel: reference("channels", key),
      messages: messages.map((each) => reference(`channels/${key}/messages`, each.key)),
      security: ways.map((way) => reference("components/securitySchemes", way)),
    },
  ];
  return [operation("receive", CLIENT_MESSAGES), operation("send", sentOn(endpoint))];
}
