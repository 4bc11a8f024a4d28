/**
 * How an endpoint tells its verdict on the token: by the HTTP status instead of the upgrade, by a close code right behind it, or by a
 * frame and a close code.
 */
export type RefusesBy = "status" | "close" | "frame";

/** `parameters.ts` says what each must be. */
export type PathParameter = "user_id" | "conversation_id" | "player_id";

/** One upgrade path (docs/protocol.md, "Endpoints"). */
export interface Endpoint {
  /** With its parameters in braces: one of a fixed set, which the greeting names. */
  readonly path: string;
  /** In the order of the path. */
  readonly parameters: readonly PathParameter[];
  readonly refusesBy: RefusesBy;
  /** Whether a connection may come without a credential and authenticate by its first frame. */
  readonly authenticatesByFrame: boolean;
  readonly readsCookies: boolean;
  /** The frame that greets an authenticated connection. */
  readonly greeting: "connected" | "auth_success";
  /** Whether `session_id` and `character_id` of the query come back in the greeting. */
  readonly echoes: boolean;
  /** The topic that a connection is in from the start if it may read it, and without which it is refused; parameters in braces. */
  readonly topic: string | null;
  /** The permission that it takes besides; null takes none. */
  readonly permission: string | null;
  /** What its connections are in the statistics. */
  readonly countedAs: "general" | "conversation" | "web3";
  /** Headers of every answer (RFC 9745 and 8288); null unless it is deprecated. */
  readonly deprecation: Readonly<Record<string, string>> | null;
}

const BY_STATUS = {
  parameters: [],
  refusesBy: "status",
  authenticatesByFrame: false,
  readsCookies: true,
  greeting: "connected",
  echoes: false,
  topic: null,
  permission: null,
  countedAs: "general",
  deprecation: null,
} as const;

const BY_CLOSE = { ...BY_STATUS, refusesBy: "close" } as const;

const BY_FRAME = {
  ...BY_STATUS,
  refusesBy: "frame",
  authenticatesByFrame: true,
  readsCookies: false,
  greeting: "auth_success",
} as const;

const REPLACED_BY_API_WS = {
  Deprecation: `@${Date.UTC(2026, 10, 26) / 1_000}`,
  Link: '</api/ws>; rel="successor-version"',
};

export const ENDPOINTS: readonly Endpoint[] = [
  { ...BY_STATUS, path: "/ws" },
  { ...BY_STATUS, path: "/api/ws", echoes: true },
  {
    ...BY_STATUS,
    path: "/api/ws/{player_id}",
    parameters: ["player_id"],
    echoes: true,
    deprecation: REPLACED_BY_API_WS,
  },
  { ...BY_STATUS, path: "/realtime" },
  { ...BY_CLOSE, path: "/ws/{user_id}", parameters: ["user_id"] },
  {
    ...BY_CLOSE,
    path: "/ws/conversation/{user_id}/{conversation_id}",
    parameters: ["user_id", "conversation_id"],
    topic: "conversation:{conversation_id}",
    countedAs: "conversation",
  },
  {
    ...BY_CLOSE,
    path: "/api/v1/web3/ws/{user_id}",
    parameters: ["user_id"],
    topic: "wallet:{user_id}",
    permission: "wallet.read",
    countedAs: "web3",
  },
  { ...BY_FRAME, path: "/" },
];

export interface FoundEndpoint {
  readonly endpoint: Endpoint;
  /** What stands in the place of its parameters, as it was sent. */
  readonly values: readonly string[];
}

const EXACT: ReadonlyMap<string, FoundEndpoint> = new Map(
  ENDPOINTS.filter(({ parameters }) => parameters.length === 0).map((endpoint) => [
    endpoint.path,
    { endpoint, values: [] },
  ]),
);

const TEMPLATES = ENDPOINTS.filter(({ parameters }) => parameters.length > 0).map((endpoint) => ({
  endpoint,
  segments: endpoint.path.split("/"),
}));

/** The path is compared as it was sent: nothing is decoded, no trailing slash is forgiven, and a parameter is one segment that is not empty. */
export function findEndpoint(path: string): FoundEndpoint | undefined {
  return EXACT.get(path) ?? findByTemplate(path.split("/"));
}

function findByTemplate(given: readonly string[]): FoundEndpoint | undefined {
  for (const { endpoint, segments } of TEMPLATES) {
    const values = segments.length === given.length ? valuesIn(segments, given) : null;
    if (values !== null) return { endpoint, values };
  }
  return undefined;
}

function valuesIn(template: readonly string[], given: readonly string[]): string[] | null {
  const values: string[] = [];
  for (const [index, segment] of template.entries()) {
    const value = given[index] ?? "";
    if (!segment.startsWith("{")) {
      if (segment !== value) return null;
    } else {
      if (value === "") return null;
      values.push(value);
    }
  }
  return values;
}
