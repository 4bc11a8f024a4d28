import * as v from "valibot";
import { ProtocolError } from "../protocol/codes.ts";
import { errorResponse } from "./errors.ts";
import { NOTHING, type Route, route } from "./route.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Fixed words: `draining`, `broker`. */
  readonly reasons: readonly string[];
  /** What does not work although the node serves, in fixed words: `audit`. */
  readonly degraded: readonly string[];
}

const ReadyAnswer = v.object({ status: v.literal("ready"), degraded: v.optional(v.array(v.string())) });

export function healthRoutes(readiness: () => Readiness, now: () => number): Route[] {
  const ROW = { method: "GET", access: "open", params: NOTHING, query: v.unknown(), body: null } as const;
  return [
    route({
      ...ROW,
      path: "/health",
      summary: "Liveness: the process answers, whatever it depends on.",
      answers: { 200: { what: "it does", schema: v.object({ status: v.literal("ok") }) } },
      handle: health,
    }),
    route({
      ...ROW,
      path: "/ready",
      summary: "Readiness: whether new connections should come here.",
      answers: { 200: { what: "they should", schema: ReadyAnswer } },
      errors: ["DRAINING", "UNAVAILABLE"],
      handle: () => ready(readiness(), now()),
    }),
  ];
}

/** It asks nothing else, or one lost dependency would restart every node. */
function health(): Response {
  return Response.json({ status: "ok" });
}

/** 503 with `reasons` where not; 200 with `degraded` where it serves and something else is wrong. */
export function ready(readiness: Readiness, nowMs: number): Response {
  const { degraded } = readiness;
  if (readiness.ready) return Response.json({ status: "ready", ...(degraded.length > 0 && { degraded }) });
  const code = readiness.reasons.includes("draining") ? "DRAINING" : "UNAVAILABLE";
  const { status, headers, body } = errorResponse(new ProtocolError(code), nowMs, { reasons: readiness.reasons });
  return new Response(body, { status, headers });
}
