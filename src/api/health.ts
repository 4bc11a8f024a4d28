import { ProtocolError } from "../protocol/codes.ts";
import { errorResponse } from "./errors.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Fixed words: `draining`, `broker`. */
  readonly reasons: readonly string[];
}

/** Liveness: the process answers. It asks nothing else, or one lost dependency would restart every node. */
export function health(): Response {
  return Response.json({ status: "ok" });
}

/** Readiness: whether new connections should come here. 503 with `reasons` where not. */
export function ready(readiness: Readiness, nowMs: number): Response {
  if (readiness.ready) return Response.json({ status: "ready" });
  const code = readiness.reasons.includes("draining") ? "DRAINING" : "UNAVAILABLE";
  const { status, headers, body } = errorResponse(new ProtocolError(code), nowMs, { reasons: readiness.reasons });
  return new Response(body, { status, headers });
}
