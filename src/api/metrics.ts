import * as v from "valibot";
import { ProtocolError } from "../protocol/codes.ts";
import { isSame } from "./callers.ts";
import { NOTHING, type Route, route } from "./route.ts";

export interface MetricsPorts {
  /** What a scraper shows as `Authorization: Bearer`; null asks for nothing. */
  readonly token: string | null;
  /** Whether the route is there although no token is set: outside production. */
  readonly open: boolean;
  readonly render: () => Promise<string>;
  readonly contentType: string;
}

/** Without a token and not open the route is not there at all. */
export function metricsRoutes(ports: MetricsPorts): Route[] {
  if (ports.token === null && !ports.open) return [];
  return [
    route({
      method: "GET",
      path: "/metrics",
      access: "open",
      summary: "Prometheus metrics; `Authorization: Bearer` with the METRICS_TOKEN where one is set.",
      ...{ params: NOTHING, query: v.unknown(), body: null },
      answers: { 200: { what: "the text format of Prometheus", schema: null } },
      errors: ports.token === null ? [] : ["AUTH_REQUIRED", "AUTH_FAILED"],
      handle: ({ request }) => metrics(ports, request),
    }),
  ];
}

async function metrics(ports: MetricsPorts, request: Request): Promise<Response> {
  if (ports.token !== null) {
    const shown = /^Bearer +([^ ]+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    if (shown === undefined) throw new ProtocolError("AUTH_REQUIRED");
    if (!isSame(shown, ports.token)) throw new ProtocolError("AUTH_FAILED");
  }
  return new Response(await ports.render(), { headers: { "Content-Type": ports.contentType } });
}
