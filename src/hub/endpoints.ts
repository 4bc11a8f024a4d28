/** How an endpoint refuses: by the HTTP status instead of the upgrade, or by a frame and a close code after it. */
export type RefusesBy = "status" | "frame";

/** One upgrade path (docs/protocol.md, "Endpoints"). */
export interface Endpoint {
  readonly path: string;
  readonly refusesBy: RefusesBy;
  /** Whether a connection may come without a credential and authenticate by its first frame. */
  readonly authenticatesByFrame: boolean;
  readonly readsCookies: boolean;
  /** The frame that greets an authenticated connection. */
  readonly greeting: "connected" | "auth_success";
}

export const ENDPOINTS: readonly Endpoint[] = [
  { path: "/ws", refusesBy: "status", authenticatesByFrame: false, readsCookies: true, greeting: "connected" },
  { path: "/", refusesBy: "frame", authenticatesByFrame: true, readsCookies: false, greeting: "auth_success" },
];

const BY_PATH: ReadonlyMap<string, Endpoint> = new Map(ENDPOINTS.map((endpoint) => [endpoint.path, endpoint]));

/** Exact match of the path as it was sent: nothing is decoded, no trailing slash is forgiven. */
export function findEndpoint(path: string): Endpoint | undefined {
  return BY_PATH.get(path);
}
